//! The codec of a rogue: requests and responses as bytes, whatever they say and whether or not they ever end.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

/// Bytes of a frame that a rogue listens to: more than any node says.
const LISTENS_TO: u64 = 8 << 20;

/// What a rogue writes on a stream: a length, bytes, and an end or none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// The length it states; nothing: how many bytes there are.
    pub(crate) states: Option<u32>,
    /// What follows.
    pub(crate) bytes: Vec<u8>,
    /// Whether the stream is left open after that, and never ends.
    pub(crate) hangs: bool,
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// Writes what it is given, reads what comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw {
    /// Whether it never reads an answer that it asked for, nor ends its wait for it.
    pub(crate) leaves_answers: bool,
}

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Frame;
    type Response = Frame;

    async fn read_request<T>(&mut self, _: &StreamProtocol, from: &mut T) -> io::Result<Frame>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(from).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, from: &mut T) -> io::Result<Frame>
    where
        T: AsyncRead + Unpin + Send,
    {
        if self.leaves_answers {
            futures::future::pending::<()>().await;
        }
        read(from).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, to: &mut T, frame: Frame) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(to, frame).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, to: &mut T, frame: Frame) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(to, frame).await
    }
}

async fn read<T: AsyncRead + Unpin + Send>(from: &mut T) -> io::Result<Frame> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let mut bytes = Vec::new();
    from.take(u64::from(u32::from_le_bytes(length)).min(LISTENS_TO)).read_to_end(&mut bytes).await?;
    Ok(bytes.into())
}

async fn write<T: AsyncWrite + Unpin + Send>(to: &mut T, frame: Frame) -> io::Result<()> {
    let length = frame.states.unwrap_or(u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX));
    to.write_all(&length.to_le_bytes()).await?;
    to.write_all(&frame.bytes).await?;
    to.flush().await?;
    if frame.hangs {
        futures::future::pending::<()>().await;
    }
    Ok(())
}

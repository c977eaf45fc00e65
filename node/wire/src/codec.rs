//! The codec: requests and responses on a stream, each a length of four bytes (little-endian) and as many bytes.
//!
//! The length is there to tell a message that was cut off with its connection (nobody's fault) from a malformed one.

use std::io;
use std::sync::Arc;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

use crate::encoding::{Malformed, decode_request, decode_response, encode_request, encode_response};
use crate::limits::{Limits, REQUEST_BYTES};
use crate::traffic::Traffic;
use crate::words::{Request, Response};

/// Reads and writes requests and responses, and counts their bytes.
#[derive(Clone)]
pub(crate) struct Codec {
    pub(crate) limits: Limits,
    pub(crate) traffic: Arc<Traffic>,
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    /// A malformed request counts as read: libp2p keeps the failure to read one to itself, and nobody would be charged.
    type Request = Result<Request, Malformed>;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, from: &mut T) -> io::Result<Self::Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read_frame(from, REQUEST_BYTES).await {
            Ok(bytes) => {
                self.traffic.received(bytes.len());
                Ok(decode_request(&bytes))
            }
            Err(error) => rubbish(&error).cloned().map(Err).ok_or(error),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, from: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = read_frame(from, self.limits.response_bytes).await?;
        self.traffic.received(bytes.len());
        decode_response(&bytes, self.limits.response_bytes).map_err(malformed)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, to: &mut T, request: Self::Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let request = request.map_err(malformed)?;
        write_frame(to, &encode_request(&request)).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, to: &mut T, response: Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let bytes = encode_response(&response, self.limits.response_bytes);
        write_frame(to, &bytes).await?;
        self.traffic.served(bytes.len());
        Ok(())
    }
}

/// What made this error, when it is that the peer sent no word of ours.
pub(crate) fn rubbish(error: &io::Error) -> Option<&Malformed> {
    error.get_ref()?.downcast_ref()
}

fn malformed(reason: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Reads one frame of at most `limit` bytes. Memory grows with what arrives, not with what the length promises.
async fn read_frame<T: AsyncRead + Unpin + Send>(from: &mut T, limit: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let length = u32::from_le_bytes(length) as usize;
    if length > limit {
        return Err(malformed(Malformed::TooLong { bytes: length, limit }));
    }
    let mut bytes = Vec::with_capacity(length.min(4 * 1024));
    from.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(to: &mut T, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes()).await?;
    to.write_all(bytes).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        futures::executor::block_on(read_frame(&mut Cursor::new(bytes), 1_000))
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut written = Cursor::new(Vec::new());
        futures::executor::block_on(write_frame(&mut written, b"a message")).expect("a vector takes all");
        assert_eq!(read(written.get_ref()).expect("it is whole"), b"a message");
    }

    #[test]
    fn a_length_beyond_the_limit_is_rubbish_before_anything_is_read() {
        let error = read(&u32::MAX.to_le_bytes()).expect_err("it is too long");
        assert!(matches!(rubbish(&error), Some(Malformed::TooLong { limit: 1_000, .. })));
    }

    #[test]
    fn a_frame_cut_off_with_its_connection_is_nobodys_fault() {
        for bytes in [&[][..], &[9, 0], &[9, 0, 0, 0, 1, 2]] {
            let error = read(bytes).expect_err("it is cut off");
            assert!(rubbish(&error).is_none());
        }
    }
}

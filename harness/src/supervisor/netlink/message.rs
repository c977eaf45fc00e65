//! A netlink message: a header, a fixed part that depends on its kind, and attributes, which may hold attributes.
//! Everything is aligned to four bytes; `include/uapi/linux/netlink.h` says the rest.

/// Bytes of the header: length, kind, flags, sequence number, sender.
pub const HEADER: usize = 16;
/// This message asks for something.
pub const REQUEST: u16 = 0x1;
/// It wants to hear how it went.
pub const ACKNOWLEDGE: u16 = 0x4;
/// It wants all of something.
pub const DUMP: u16 = 0x300;
/// It makes something.
pub const CREATE: u16 = 0x400;
/// It takes the place of what is there.
pub const REPLACE: u16 = 0x100;
/// It refuses to make what is there.
pub const EXCLUSIVE: u16 = 0x200;
/// It adds at the end.
pub const APPEND: u16 = 0x800;
/// An attribute that holds attributes.
const NESTED: u16 = 0x8000;

/// A message on its way to the kernel.
#[derive(Clone, Debug)]
pub struct Message(Vec<u8>);

impl Message {
    /// A message of this kind.
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self(bytes)
    }

    /// The same with these bytes at its end.
    pub fn with(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.align();
        self
    }

    /// The same with an attribute.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).expect("no attribute of ours is longer than 64 KB");
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.with(value)
    }

    /// The same with a text attribute.
    pub fn text(self, kind: u16, text: &str) -> Self {
        let bytes = [text.as_bytes(), &[0]].concat();
        self.attribute(kind, &bytes)
    }

    /// The same with a number of 32 bits as the network writes it.
    pub fn number(self, kind: u16, number: u32) -> Self {
        self.attribute(kind, &number.to_be_bytes())
    }

    /// The same with an attribute that holds what `fill` puts in.
    pub fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        let mut filled = fill(self);
        let length = u16::try_from(filled.0.len() - start).expect("no attribute of ours is longer than 64 KB");
        filled.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled.0[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        filled
    }

    /// Whether it wants to hear how it went.
    pub fn wants_answer(&self) -> bool {
        u16::from_ne_bytes([self.0[6], self.0[7]]) & ACKNOWLEDGE != 0
    }

    /// Its bytes, under this sequence number.
    pub fn numbered(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).expect("no message of ours is that long");
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }

    fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// The attributes of a message from the kernel; what is not whole ends the list.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first one of this kind.
    pub fn value(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The attributes within the first one of this kind.
    pub fn within(self, kind: u16) -> Option<Attributes<'a>> {
        self.value(kind).map(Attributes)
    }

    /// A number of 32 bits as the network writes it.
    pub fn number(self, kind: u16) -> Option<u32> {
        self.value(kind)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A number of 64 bits as the network writes it.
    pub fn long(self, kind: u16) -> Option<u64> {
        self.value(kind)?.try_into().ok().map(u64::from_be_bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(self.0.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(self.0.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_put_into_a_message_is_found_in_it() {
        let message = Message::new(7, REQUEST | ACKNOWLEDGE)
            .with(&[1, 2, 3, 4])
            .text(1, "schism")
            .nest(2, |list| list.number(3, 77).attribute(4, &9_u64.to_be_bytes()));
        assert!(message.wants_answer());
        let bytes = message.numbered(5);
        assert_eq!(bytes.len() % 4, 0);
        let attributes = Attributes(&bytes[HEADER + 4..]);
        assert_eq!(attributes.value(1), Some(&b"schism\0"[..]));
        let within = attributes.within(2).expect("it was put there");
        assert_eq!((within.number(3), within.long(4), within.number(5)), (Some(77), Some(9), None));
    }

    proptest! {
        #[test]
        fn no_bytes_confuse_the_reader(bytes: Vec<u8>) {
            prop_assert!(Attributes(&bytes).count() <= bytes.len());
        }
    }
}

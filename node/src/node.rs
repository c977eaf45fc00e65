//! x
/// Node.
pub struct Node;

//! Spending: which signatures an input owes, and whether they hold.

/// One signature to check: a digest, a signature, and the keys it may stand under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureCheck {}

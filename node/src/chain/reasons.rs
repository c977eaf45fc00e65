//! Reasons by name: for counting refusals, and for tests that must meet every one.

use super::Refused;

macro_rules! reasons {
    ($($reason:ident)*) => {
        impl Refused {
            /// The names of all reasons, in the order of their declaration.
            pub const NAMES: &[&str] = &[$(stringify!($reason)),*];

            /// This reason's name. Without a wildcard, so that a new reason must be named here.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$reason { .. } => stringify!($reason),)*
                }
            }
        }
    };
}

reasons! {
    AlreadyKnown LongKnown KnownInvalid
    BitsNegative BitsZero BitsOverflow BitsAboveLimit WorkTooLow BitsWrong TimeTooOld TimeTooNew
    UnknownParent InvalidParent HeadersNotLinked SideHeadersFull
    BlockEmpty MerkleRootWrong MerkleTreeMutated WitnessUncommitted WitnessNonceWrong WitnessCommitmentWrong
    BlockTooLarge CoinbaseMissing CoinbaseSecond CoinbaseScriptSize CoinbaseTooMuch TransactionTwice
    TransactionOverwrites TooManySignatureOperations SpentTwice SpentBeforeMade InBlock
    NoInputs NoOutputs OutputTooLarge OutputsTooLarge InputTwice InputNull CoinbaseLoose NotFinal
    CoinMissing CoinImmature InputsTooLarge OutputsExceedInputs TemplateUnknown UnlockMalformed KeyMismatch
    SignatureKindWrong SignatureInvalid
    TransactionTooLarge SignatureNotStrict SignatureHighS HashTypeUndefined PushNotMinimal OutputNotStandard OutputDust
    FeeTooLow ConflictInPool ReplacementTooCheap ReplacesTooMany ReplacesAncestor TooManyRelatives PoolFull
    CompactMalformed
}

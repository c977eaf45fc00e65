//! Why a block, a header or a transaction is refused: reasons a person can act on.

use bitcoin::{Amount, BlockHash, CompactTarget, OutPoint, TxMerkleNode, Txid};
use serde::{Deserialize, Serialize};

/// Why an item is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "refused", rename_all = "snake_case")]
#[allow(missing_docs)] // each reason is documented; its fields are what its sentence names
pub enum Refused {
    // -- any item
    /// It is here already.
    #[error("already known")]
    AlreadyKnown,
    /// It has been on the best chain for long: nobody who follows that chain tells it as news.
    #[error("known for {depth} blocks")]
    LongKnown { depth: u32 },
    /// It was refused before, for a reason that lasts.
    #[error("known to be invalid")]
    KnownInvalid,

    // -- headers
    /// The compact target has its sign bit set.
    #[error("bits {:#010x} state a negative target", bits.to_consensus())]
    BitsNegative { bits: CompactTarget },
    /// The compact target is zero.
    #[error("bits {:#010x} state a target of zero", bits.to_consensus())]
    BitsZero { bits: CompactTarget },
    /// The compact target does not fit in 256 bits.
    #[error("bits {:#010x} state a target beyond 256 bits", bits.to_consensus())]
    BitsOverflow { bits: CompactTarget },
    /// The target is easier than the chain allows.
    #[error("bits {:#010x} are easier than the limit {:#010x}", bits.to_consensus(), limit.to_consensus())]
    BitsAboveLimit { bits: CompactTarget, limit: CompactTarget },
    /// The hash is above the target that the header states.
    #[error("hash {hash} is above the target of bits {:#010x}", bits.to_consensus())]
    WorkTooLow { hash: BlockHash, bits: CompactTarget },
    /// The target is not the one that follows from the ancestors.
    #[error("bits {:#010x} where {:#010x} is due", stated.to_consensus(), expected.to_consensus())]
    BitsWrong { stated: CompactTarget, expected: CompactTarget },
    /// The time is not after the median of the last eleven.
    #[error("time {time} is not after the median {median} of the last eleven blocks")]
    TimeTooOld { time: u32, median: u32 },
    /// The time is too far ahead of this node's clock: not yet.
    #[error("time {time} is later than {latest}, the latest acceptable now")]
    TimeTooNew { time: u32, latest: u32 },
    /// The parent is not known: not yet.
    #[error("parent {parent} is not known")]
    UnknownParent { parent: BlockHash },
    /// An ancestor was refused for a reason that lasts.
    #[error("parent {parent} is invalid")]
    InvalidParent { parent: BlockHash },
    /// A header of a list is not the child of the one before it, or the first of no header that is known.
    #[error("header {position} of the list follows neither the one before it nor any that is known")]
    HeadersNotLinked { position: usize },
    /// The tree holds as many headers beside the best chain as it may.
    #[error("{most} headers beside the best chain are held already")]
    SideHeadersFull { most: usize },

    // -- blocks
    /// There is no transaction in it.
    #[error("the block holds no transaction")]
    BlockEmpty,
    /// The transactions are not those that the header commits to.
    #[error("the header commits to {stated}, the transactions hash to {computed}")]
    MerkleRootWrong { stated: TxMerkleNode, computed: TxMerkleNode },
    /// The list of transactions was altered in a way that keeps the merkle root (CVE-2012-2459, CVE-2017-12842).
    #[error("the transactions were altered without altering the merkle root")]
    MerkleTreeMutated,
    /// A transaction carries a witness, but the coinbase commits to none (BIP141).
    #[error("a transaction carries a witness that the coinbase does not commit to")]
    WitnessUncommitted,
    /// The coinbase commits to witnesses, but its own witness is not 32 bytes (BIP141).
    #[error("the coinbase's witness is not 32 bytes")]
    WitnessNonceWrong,
    /// The witnesses are not those that the coinbase commits to (BIP141).
    #[error("the witnesses are not those that the coinbase commits to")]
    WitnessCommitmentWrong,
    /// The block is too large.
    #[error("the block has {bytes} bytes where {most} are allowed")]
    BlockTooLarge { bytes: usize, most: usize },
    /// The first transaction is no coinbase.
    #[error("the first transaction is no coinbase")]
    CoinbaseMissing,
    /// A later transaction is a coinbase.
    #[error("transaction {index} is a coinbase, which only the first may be")]
    CoinbaseSecond { index: usize },
    /// The coinbase's script is shorter than 2 or longer than 100 bytes.
    #[error("the coinbase's script has {bytes} bytes, not 2 to 100")]
    CoinbaseScriptSize { bytes: usize },
    /// The coinbase claims more than subsidy and fees.
    #[error("the coinbase claims {claimed} where {allowed} are allowed")]
    CoinbaseTooMuch { claimed: Amount, allowed: Amount },
    /// A transaction is in the block twice.
    #[error("transaction {txid} is in the block twice")]
    TransactionTwice { txid: Txid },
    /// An earlier transaction with the same id has unspent outputs (BIP30).
    #[error("transaction {txid} would overwrite unspent outputs of an earlier one")]
    TransactionOverwrites { txid: Txid },
    /// The block holds too many signature operations.
    #[error("the block holds {operations} signature operations where {most} are allowed")]
    TooManySignatureOperations { operations: usize, most: usize },
    /// A transaction of the block spends a coin that an earlier one of the same block spent.
    #[error("{outpoint} is spent twice in the block")]
    SpentTwice { outpoint: OutPoint },
    /// A transaction of the block spends an output of a later one.
    #[error("{outpoint} is spent before the transaction that makes it")]
    SpentBeforeMade { outpoint: OutPoint },
    /// A transaction of the block is refused for a reason of its own.
    #[error("transaction {txid}: {reason}")]
    InBlock { txid: Txid, reason: Box<Refused> },

    // -- transactions
    /// It has no inputs.
    #[error("no inputs")]
    NoInputs,
    /// It has no outputs.
    #[error("no outputs")]
    NoOutputs,
    /// An output holds more than can ever exist.
    #[error("output {index} holds {value}, more than can exist")]
    OutputTooLarge { index: usize, value: Amount },
    /// The outputs together hold more than can ever exist.
    #[error("the outputs hold more than can exist")]
    OutputsTooLarge,
    /// Two inputs spend the same coin.
    #[error("two inputs spend {outpoint}")]
    InputTwice { outpoint: OutPoint },
    /// An input of an ordinary transaction spends nothing, as only a coinbase may.
    #[error("input {input} spends nothing, as only a coinbase may")]
    InputNull { input: usize },
    /// A coinbase outside a block.
    #[error("a coinbase outside a block")]
    CoinbaseLoose,
    /// Its lock time has not come.
    #[error("locked until {lock}; height {height}, time {time}")]
    NotFinal { lock: u32, height: u32, time: u32 },
    /// A coin it spends is not there: never made, already spent, or not seen yet.
    #[error("{outpoint} is not there to be spent")]
    CoinMissing { outpoint: OutPoint },
    /// It spends a coinbase too early.
    #[error("{outpoint} can be spent from height {from} on, this is {height}")]
    CoinImmature { outpoint: OutPoint, height: u32, from: u32 },
    /// The coins it spends hold more than can ever exist.
    #[error("the inputs hold more than can exist")]
    InputsTooLarge,
    /// It pays out more than it spends.
    #[error("outputs hold {outputs}, inputs only {inputs}")]
    OutputsExceedInputs { inputs: Amount, outputs: Amount },
    /// The coin's script is none of the templates this chain knows.
    #[error("input {input} spends a script of no known template")]
    TemplateUnknown { input: usize },
    /// The unlocking script or witness has not the shape that the coin's template asks for.
    #[error("input {input} is not unlocked the way its template asks")]
    UnlockMalformed { input: usize },
    /// The key's hash is not the one that the coin names.
    #[error("input {input} shows a key whose hash is not the coin's")]
    KeyMismatch { input: usize },
    /// A signature of the other kind: with a fork id where none holds, or without one where one does.
    #[error("input {input} is signed for the other side of a fork")]
    SignatureKindWrong { input: usize },
    /// A signature that cannot be read or does not hold.
    #[error("input {input} has no valid signature")]
    SignatureInvalid { input: usize },

    // -- policy
    /// It is larger than a pool takes.
    #[error("the transaction has {bytes} bytes, a pool takes {most}")]
    TransactionTooLarge { bytes: usize, most: usize },
    /// A signature is not strict DER (BIP66).
    #[error("input {input} has a signature that is not strict DER")]
    SignatureNotStrict { input: usize },
    /// A signature has the larger of its two possible S (BIP146).
    #[error("input {input} has a signature with a high S")]
    SignatureHighS { input: usize },
    /// A signature's hash type is not one of the defined.
    #[error("input {input} has a signature of an undefined hash type")]
    HashTypeUndefined { input: usize },
    /// An unlocking script pushes its data in a roundabout way (BIP62).
    #[error("input {input} is unlocked with pushes that are not minimal")]
    PushNotMinimal { input: usize },
    /// An output pays to a script of no known template.
    #[error("output {index} pays to a script of no known template")]
    OutputNotStandard { index: usize },
    /// An output costs more to spend than it holds.
    #[error("output {index} holds {value}, less than the {floor} it costs to spend")]
    OutputDust { index: usize, value: Amount, floor: Amount },
    /// It pays too little for its size; in satoshi for 1,000 serialised bytes.
    #[error("pays {offered} sat/kB where {floor} are asked")]
    FeeTooLow { offered: u64, floor: u64 },
    /// The pool holds a transaction that spends the same coin.
    #[error("{outpoint} is spent by {with} in the pool")]
    ConflictInPool { outpoint: OutPoint, with: Txid },
    /// It would replace others but pays too little more than they do.
    #[error("a replacement has to pay {needed}, this one pays {offered}")]
    ReplacementTooCheap { offered: Amount, needed: Amount },
    /// It would replace more transactions than allowed.
    #[error("would replace {count} transactions, {most} are allowed")]
    ReplacesTooMany { count: usize, most: usize },
    /// It would replace a transaction that it spends from.
    #[error("would replace {txid}, whose output it spends")]
    ReplacesAncestor { txid: Txid },
    /// It has more unconfirmed ancestors or descendants than a pool takes.
    #[error("would be one of {count} relatives in the pool, {most} are allowed")]
    TooManyRelatives { count: usize, most: usize },
    /// The pool is full of transactions that pay better; in satoshi for 1,000 serialised bytes.
    #[error("the pool is full; pays {offered} sat/kB where {floor} are needed")]
    PoolFull { offered: u64, floor: u64 },
    /// A compact block that no block can have been: too many transactions, or indexes beyond them.
    #[error("the compact block is malformed")]
    CompactMalformed,
}

/// How long a refusal holds for the item that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// The block of this hash is invalid for ever, and so is what builds on it.
    Forever,
    /// Only this copy is bad; the block of this hash may be good.
    Copy,
    /// Not now, or not here: it may be accepted later or by others.
    Later,
}

impl Refused {
    /// Puts a transaction's own reason in its block.
    pub fn in_block(self, txid: Txid) -> Self {
        Self::InBlock { txid, reason: Box::new(self) }
    }

    /// Points charged to the peer that sent it; 0 where an honest peer could have, 100 bans at once.
    ///
    /// Honest peers judge before they pass on, so whatever no state of the chain can make valid was sent on purpose.
    /// A mutated copy is its sender's fault too, though not the block's: whoever puts a compact block together itself
    /// must check the merkle root before it blames anybody, since short ids collide.
    pub fn blame(&self) -> u32 {
        use Refused::*;
        match self {
            // The other may know more, less or later than we do.
            AlreadyKnown | TimeTooNew { .. } | UnknownParent { .. } | SideHeadersFull { .. } => 0,
            NotFinal { .. } | CoinMissing { .. } | CoinImmature { .. } => 0,
            // Other pools have other policies and contents.
            TransactionTooLarge { .. } | SignatureNotStrict { .. } | SignatureHighS { .. } => 0,
            HashTypeUndefined { .. } | PushNotMinimal { .. } | OutputNotStandard { .. } | OutputDust { .. } => 0,
            FeeTooLow { .. } | ConflictInPool { .. } | ReplacementTooCheap { .. } | ReplacesTooMany { .. } => 0,
            ReplacesAncestor { .. } | TooManyRelatives { .. } | PoolFull { .. } => 0,
            // Whoever sends these where no fork is near (there they are not charged) has been on the other side for long.
            SignatureKindWrong { .. } => 1,
            // A node that stood still may say a few of these once it goes on; whoever repeats a chain's past says many.
            LongKnown { .. } => 2,
            // Here the chain alone knows no such script; a peer of a later version may.
            TemplateUnknown { .. } => 10,
            KnownInvalid | InvalidParent { .. } => 100,
            BitsNegative { .. } | BitsZero { .. } | BitsOverflow { .. } | BitsAboveLimit { .. } => 100,
            WorkTooLow { .. } | BitsWrong { .. } | TimeTooOld { .. } | HeadersNotLinked { .. } => 100,
            BlockEmpty | MerkleRootWrong { .. } | MerkleTreeMutated | CompactMalformed => 100,
            WitnessUncommitted | WitnessNonceWrong | WitnessCommitmentWrong => 100,
            BlockTooLarge { .. } | CoinbaseMissing | CoinbaseSecond { .. } | CoinbaseScriptSize { .. } => 100,
            CoinbaseTooMuch { .. } | TransactionTwice { .. } | TransactionOverwrites { .. } => 100,
            TooManySignatureOperations { .. } | SpentTwice { .. } | SpentBeforeMade { .. } | InBlock { .. } => 100,
            NoInputs | NoOutputs | OutputTooLarge { .. } | OutputsTooLarge | InputTwice { .. } => 100,
            InputNull { .. } | CoinbaseLoose | InputsTooLarge | OutputsExceedInputs { .. } => 100,
            UnlockMalformed { .. } | KeyMismatch { .. } | SignatureInvalid { .. } => 100,
        }
    }

    /// How long the refusal of a *block or header* holds. A loose transaction's refusal says nothing lasting about
    /// its txid: witnesses can be altered by whoever passes them on, and coins come and go.
    pub fn lasting(&self) -> Lasting {
        use Refused::*;
        match self {
            AlreadyKnown | LongKnown { .. } | TimeTooNew { .. } => Lasting::Later,
            UnknownParent { .. } | SideHeadersFull { .. } => Lasting::Later,
            HeadersNotLinked { .. } => Lasting::Later, // says something of the list, nothing of any header
            BlockEmpty | MerkleRootWrong { .. } | MerkleTreeMutated | CompactMalformed => Lasting::Copy,
            WitnessUncommitted | WitnessNonceWrong | WitnessCommitmentWrong => Lasting::Copy,
            KnownInvalid | InvalidParent { .. } => Lasting::Forever,
            BitsNegative { .. } | BitsZero { .. } | BitsOverflow { .. } | BitsAboveLimit { .. } => Lasting::Forever,
            WorkTooLow { .. } | BitsWrong { .. } | TimeTooOld { .. } => Lasting::Forever,
            // From here on the transactions are proven to be those that the header commits to: see `block::check`.
            BlockTooLarge { .. } | CoinbaseMissing | CoinbaseSecond { .. } | CoinbaseScriptSize { .. } => {
                Lasting::Forever
            }
            CoinbaseTooMuch { .. } | TransactionTwice { .. } | TransactionOverwrites { .. } => Lasting::Forever,
            TooManySignatureOperations { .. } | SpentTwice { .. } | SpentBeforeMade { .. } => Lasting::Forever,
            InBlock { .. } => Lasting::Forever,
            NoInputs | NoOutputs | OutputTooLarge { .. } | OutputsTooLarge | InputTwice { .. } => Lasting::Later,
            InputNull { .. } | CoinbaseLoose | NotFinal { .. } | CoinMissing { .. } => Lasting::Later,
            CoinImmature { .. } | InputsTooLarge | OutputsExceedInputs { .. } | TemplateUnknown { .. } => {
                Lasting::Later
            }
            UnlockMalformed { .. } | KeyMismatch { .. } | SignatureKindWrong { .. } => Lasting::Later,
            SignatureInvalid { .. } | TransactionTooLarge { .. } | SignatureNotStrict { .. } => Lasting::Later,
            SignatureHighS { .. } | HashTypeUndefined { .. } | PushNotMinimal { .. } => Lasting::Later,
            OutputNotStandard { .. } | OutputDust { .. } | FeeTooLow { .. } | ConflictInPool { .. } => Lasting::Later,
            ReplacementTooCheap { .. } | ReplacesTooMany { .. } | ReplacesAncestor { .. } => Lasting::Later,
            TooManyRelatives { .. } | PoolFull { .. } => Lasting::Later,
        }
    }
}

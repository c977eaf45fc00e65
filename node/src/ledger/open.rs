//! Opening: a ledger from its store, whatever ended the last one, and checked before anything is built on it.

use std::sync::Arc;

use bitcoin::BlockHash;

use super::coins::Standing;
use super::reorganise::Bodies;
use super::store::{HeaderRecord, Mark, Step, Store, StoreFailure};
use super::tree::{Id, Tree};
use super::{Judgement, Ledger};
use crate::chain::{Refused, Rules, Tip};
use crate::messages::Source;
use crate::surroundings::{Verifier, VirtualWork};

/// A ledger just opened.
pub struct Opened {
    /// The ledger, on the best chain its store holds.
    pub ledger: Ledger,
    /// What was found damaged and how many bodies were judged again.
    pub rebuilt: Option<Rebuilt>,
    /// What judging everything anew came to, where the store was judged under other rules.
    pub judged_anew: Option<JudgedAnew>,
    /// Bodies that were judged again because no step had recorded them: the last before a crash, or all.
    pub replayed: u64,
}

/// What was found damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// What was found.
    pub damage: String,
    /// Bodies that were read back.
    pub blocks: u64,
}

/// What judging everything anew came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedAnew {
    /// Where the ledger stood under the former rules.
    pub from: Tip,
    /// Bodies that were judged.
    pub blocks: u64,
    /// Those that the rules refuse now, without what was built on them.
    pub refused: Vec<(BlockHash, Refused)>,
}

/// What is found in a store.
enum Found {
    Nothing,
    /// A tree and a standing that agree with each other.
    Whole(Box<(Tree, Standing)>),
    /// What was judged under other rules, up to this tip.
    OtherRules(Tip),
    /// What does not fit together.
    Damaged(String),
}

impl Ledger {
    /// Opens the ledger that the store holds, or a new one. A damaged store is rebuilt from its bodies, and so is one that
    /// was judged under other rules: what was refused may be good now, and the other way around.
    ///
    /// The whole standing is computed again from the coins, so this reads every record.
    pub fn open(
        rules: Arc<Rules>,
        mut store: Box<dyn Store>,
        verifier: Arc<dyn Verifier>,
        work: Arc<dyn VirtualWork>,
        now: u32,
    ) -> Result<Opened, StoreFailure> {
        let found = match store.take_damage() {
            Some(damage) => Found::Damaged(damage),
            None => read(store.as_ref(), &rules)?,
        };
        let (mut damage, mut former) = (None, None);
        let (tree, standing) = match found {
            Found::Whole(whole) => *whole,
            other => {
                match other {
                    Found::Damaged(what) => damage = Some(what),
                    Found::OtherRules(tip) => former = Some(tip),
                    Found::Whole(_) | Found::Nothing => {}
                }
                if damage.is_some() || former.is_some() {
                    store.forget()?;
                }
                begin(store.as_mut(), &rules)?
            }
        };
        let unwritten = Vec::new();
        let mut ledger = Self {
            rules,
            store,
            verifier,
            work,
            tree,
            standing,
            unwritten,
            unsynced: true,
            waiting: 0,
            signature_checks: 0,
        };
        let (blocks, refused) = ledger.judge_unrecorded(now)?;
        ledger.follow_best(Bodies::new())?;
        ledger.sync()?;
        let rebuilt = damage.map(|damage| Rebuilt { damage, blocks });
        let judged_anew = former.map(|from| JudgedAnew { from, blocks, refused });
        Ok(Opened { ledger, rebuilt, judged_anew, replayed: blocks })
    }

    /// Judges bodies whose headers no step recorded: all of them after a rebuild, the last few after a crash. They
    /// were found good once, so what is refused now (a clock set back, other rules) is only said.
    ///
    /// A body may have come before its parent's, so they are gone through until no more of them find their place.
    fn judge_unrecorded(&mut self, now: u32) -> Result<(u64, Vec<(BlockHash, Refused)>), StoreFailure> {
        let (mut judged, mut refused) = (0, Vec::new());
        let mut left = self.store.bodies()?;
        left.retain(|hash| !self.tree.find(hash).is_some_and(|id| self.tree.has_body(id)));
        loop {
            let before = left.len();
            let mut waiting = Vec::new();
            for hash in left {
                let Some(block) = self.store.block(&hash)? else { continue };
                match self.accept_block(block, now, Source::Own)?.judgement {
                    Judgement::Refused(Refused::UnknownParent { .. }) => waiting.push(hash),
                    judgement => {
                        judged += 1;
                        if let Judgement::Refused(reason) = judgement {
                            refused.push((hash, reason));
                        }
                    }
                }
            }
            if waiting.is_empty() || waiting.len() == before {
                return Ok((judged, refused));
            }
            left = waiting;
        }
    }
}

/// The first steps of a new ledger.
fn begin(store: &mut dyn Store, rules: &Rules) -> Result<(Tree, Standing), StoreFailure> {
    let (standing, coins) = Standing::genesis(rules);
    let header = rules.genesis.header;
    store.keep(Arc::new(rules.genesis.clone()))?;
    store.step(Step {
        headers: vec![HeaderRecord { header, height: 0, mark: Mark::Valid }],
        coins: coins.into_iter().map(|(outpoint, coin)| (outpoint, Some(coin))).collect(),
        undo: None,
        standing: Some(standing),
    })?;
    Ok((Tree::new(header), standing))
}

/// What a store holds.
fn read(store: &dyn Store, rules: &Rules) -> Result<Found, StoreFailure> {
    let (bodies, headers) = (store.bodies()?, store.headers()?);
    let Some(standing) = store.standing()? else {
        // A crash in the first moment leaves genesis alone.
        return Ok(match (headers.len(), bodies.len()) {
            (0, 0 | 1) => Found::Nothing,
            (headers, bodies) => Found::Damaged(format!("there is no tip for {headers} headers and {bodies} bodies")),
        });
    };
    let genesis = rules.genesis.block_hash();
    if headers.iter().any(|record| record.height == 0 && record.header.block_hash() != genesis) {
        return Err(StoreFailure::new("open", "it holds another chain: its genesis is not the rules'"));
    }
    if standing.rules != rules.fingerprint() {
        return Ok(Found::OtherRules(standing.tip));
    }
    if !bodies.contains(&genesis) {
        return Ok(Found::Damaged("the body of genesis is missing".into()));
    }
    let mut tree = Tree::new(rules.genesis.header);
    for record in headers.iter().filter(|record| record.height > 0) {
        if let Err(why) = plant(&mut tree, record) {
            return Ok(Found::Damaged(why));
        }
    }
    for hash in bodies {
        if let Some(id) = tree.find(&hash) {
            tree.arrive(id);
        }
    }
    let Some(tip) = tree.find(&standing.tip.hash).filter(|id| tree.tip(*id) == standing.tip) else {
        return Ok(Found::Damaged(format!("the tip {} is not among the headers", standing.tip.hash)));
    };
    tree.open_at(tip);
    if let Some(why) = whats_missing(store, &tree, tip)? {
        return Ok(Found::Damaged(why));
    }
    let counted = count(store, &standing)?;
    if counted != standing {
        return Ok(Found::Damaged("the coins are not those of the tip".into()));
    }
    if standing.supply() != rules.subsidies(standing.tip.height) {
        return Ok(Found::Damaged("the supply is not what the rules allow".into()));
    }
    Ok(Found::Whole(Box::new((tree, standing))))
}

/// Puts a kept header back in its tree.
fn plant(tree: &mut Tree, record: &HeaderRecord) -> Result<Id, String> {
    let hash = record.header.block_hash();
    let parent = tree.find(&record.header.prev_blockhash);
    let parent = parent.filter(|id| tree.height(*id) + 1 == record.height);
    let parent = parent.ok_or_else(|| format!("header {hash} does not stand on its parent"))?;
    Ok(tree.insert(record.header, parent, record.mark))
}

/// What the chain up to `tip` should have and has not.
fn whats_missing(store: &dyn Store, tree: &Tree, tip: Id) -> Result<Option<String>, StoreFailure> {
    for id in tree.walk(tip).filter(|id| tree.height(*id) > 0) {
        let hash: BlockHash = tree.hash(id);
        if tree.is_dead(id) || tree.mark(id) != Mark::Valid {
            return Ok(Some(format!("block {hash} is connected but not marked valid")));
        }
        if !tree.has_body(id) {
            return Ok(Some(format!("the body of {hash} is missing")));
        }
        if store.undo(&hash)?.is_none() {
            return Ok(Some(format!("the undo of {hash} is missing")));
        }
    }
    Ok(None)
}

/// The standing, with all that can be counted counted again.
fn count(store: &dyn Store, standing: &Standing) -> Result<Standing, StoreFailure> {
    let mut counted = Standing { digest: Default::default(), coins: 0, unspent: Default::default(), ..*standing };
    store.each_coin(&mut |outpoint, coin| {
        counted.take_in(outpoint, coin);
        true
    })?;
    Ok(counted)
}

//! New blocks: those of a chain that nobody has looked at yet. What is true of a block and all below it is the same on
//! every node, so it is worked out once.

use std::collections::BTreeSet;

use super::View;

/// Which blocks have been looked at.
#[derive(Clone, Debug, Default)]
pub struct NewBlocks {
    seen: BTreeSet<usize>,
}

impl NewBlocks {
    /// Places of blocks on a judged node's best chain that have not been looked at, lowest first. Genesis is not new.
    pub fn on_chain_of(&mut self, view: &View, node: usize) -> Vec<usize> {
        let node = &view.nodes()[node];
        let mut new = Vec::new();
        let mut at = node.tip.filter(|_| node.judged);
        while let Some(place) = at {
            let block = view.blocks().get(place);
            if block.height == 0 || !self.seen.insert(place) {
                break;
            }
            new.push(place);
            at = block.parent;
        }
        new.reverse();
        new
    }
}

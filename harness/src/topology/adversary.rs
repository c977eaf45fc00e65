//! An adversary as a topology says it: its kind, and how it goes about it.

use schism_chaos::adversary::{Adversary, KINDS, PrivateBranch, SelfishMining};

use crate::yaml::{Context, Node, Printed, map, text};

/// Reads the `adversary` of a group.
pub(super) fn read(context: &Context, node: &Node) -> Option<Adversary> {
    let fields = context.map(node, "an adversary")?;
    let words = KINDS.map(|kind| (kind.name, kind.name));
    let kind = fields.required("kind", |context, node| context.word(node, "kind of adversary", &words));
    let adversary = match kind {
        Some("private_branch") => {
            let usual = PrivateBranch::default();
            let deficit = fields.or("deficit", usual.deficit, Context::count);
            let lead = fields.or("lead", usual.lead, Context::whole::<u32>);
            let pre_mined = fields.or("pre_mined", usual.pre_mined, Context::whole::<u32>);
            deficit.zip(lead).zip(pre_mined).map(|((deficit, lead), pre_mined)| {
                Adversary::PrivateBranch(PrivateBranch { deficit, lead, pre_mined })
            })
        }
        Some(_) => {
            let from_height = fields.or("from_height", SelfishMining::default().from_height, Context::count);
            from_height.map(|from_height| Adversary::Selfish(SelfishMining { from_height }))
        }
        // Which keys it may have cannot be said: only the kind is complained of.
        None => return None,
    };
    fields.finish();
    adversary
}

/// Prints what [`read`] reads.
pub(super) fn print(adversary: Adversary) -> Printed {
    let kind = map([("kind", Some(text(adversary.name())))]);
    match adversary {
        Adversary::PrivateBranch(PrivateBranch { deficit, lead, pre_mined }) => kind.and(map([
            ("deficit", Some(deficit.into())),
            ("lead", Some(lead.into())),
            ("pre_mined", Some(pre_mined.into())),
        ])),
        Adversary::Selfish(SelfishMining { from_height }) => kind.and(map([("from_height", Some(from_height.into()))])),
    }
}

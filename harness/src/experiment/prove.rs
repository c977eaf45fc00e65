//! What must be seen of a fault besides what every fault of its kind shows: how it is read from a file, and printed again.

use schism_chaos::fault::Fault;
use schism_chaos::schedule::Prove;

use crate::yaml::{Context, Node, Printed, map};

/// Reads a `prove`; sides can only be proven of what makes sides.
pub(super) fn read(context: &Context, node: &Node, fault: Option<&Fault>) -> Option<Prove> {
    let fields = context.map(node, "a proof")?;
    let each_side_mined = fields.optional("each_side_mined", Context::count);
    let tips_differ = fields.optional("tips_differ", Context::count);
    let peers_lost = fields.optional("peers_lost", Context::count);
    let frames_touched = fields.optional("frames_touched", Context::whole::<u64>);
    let blocks_missed = fields.optional("blocks_missed", Context::count);
    let blocks_refused = fields.optional("blocks_refused", Context::count);
    let blocks_mined = fields.optional("blocks_mined", Context::count);
    let writes_lost = fields.optional("writes_lost", Context::whole::<u64>);
    if let (Some(entry), Some(fault)) = (fields.entry("each_side_mined"), fault)
        && !makes_sides(fault)
    {
        let help = "it is for partition, cut and isolate".to_owned();
        context.wrong(entry.at, format!("a {} has no sides", fault.name()), Some(help));
        return None;
    }
    if let (Some(entry), Some(fault)) = (fields.entry("blocks_mined"), fault)
        && !matches!(fault, Fault::HashPower { .. })
    {
        let help = "it is for hash_power".to_owned();
        context.wrong(entry.at, format!("a {} gives no hash power to anybody", fault.name()), Some(help));
        return None;
    }
    fields.finish();
    Some(Prove {
        each_side_mined: each_side_mined?,
        tips_differ: tips_differ?,
        peers_lost: peers_lost?,
        frames_touched: frames_touched?,
        blocks_missed: blocks_missed?,
        blocks_refused: blocks_refused?,
        blocks_mined: blocks_mined?,
        writes_lost: writes_lost?,
    })
}

/// Whether a fault parts nodes into sides.
pub(super) fn makes_sides(fault: &Fault) -> bool {
    matches!(fault, Fault::Partition(_) | Fault::Cut { .. } | Fault::Isolate { .. })
}

/// Prints a proof, where it asks for anything.
pub(super) fn print(prove: &Prove) -> Option<Printed> {
    let asked = *prove != Prove::default();
    asked.then(|| {
        map([
            ("each_side_mined", prove.each_side_mined.map(Into::into)),
            ("tips_differ", prove.tips_differ.map(Into::into)),
            ("peers_lost", prove.peers_lost.map(Into::into)),
            ("frames_touched", prove.frames_touched.map(Into::into)),
            ("blocks_missed", prove.blocks_missed.map(Into::into)),
            ("blocks_refused", prove.blocks_refused.map(Into::into)),
            ("blocks_mined", prove.blocks_mined.map(Into::into)),
            ("writes_lost", prove.writes_lost.map(Into::into)),
        ])
    })
}

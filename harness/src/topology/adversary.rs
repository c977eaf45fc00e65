//! An adversary as a topology says it: its kind, and how it goes about it.

use std::time::Duration;

use schism_chaos::adversary::{
    Adversary, Answers, Byzantine, Censorship, ClockLies, Echo, Eclipse, Equivocation, Flood, FloodKind, KINDS,
    MOST_GROUPS, MOST_PER_GROUP, PrivateBranch, Recorded, SelfishMining, Stamps, Tampering,
};

use schism_chaos::quantity::Pause;

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
            let from_height = fields.or("from_height", usual.from_height, Context::whole::<u32>);
            let confirmations = fields.or("confirmations", usual.confirmations, Context::count);
            let race = deficit.zip(lead).zip(pre_mined).zip(from_height.zip(confirmations));
            race.map(|(((deficit, lead), pre_mined), (from_height, confirmations))| {
                Adversary::PrivateBranch(PrivateBranch { deficit, lead, pre_mined, from_height, confirmations })
            })
        }
        Some("byzantine") => {
            let usual = Byzantine::default();
            let relays = fields.or("relays", usual.relays, Context::flag);
            let word = |context: &Context, node: &Node| context.word(node, "kind of answer", &Answers::WORDS);
            let answers = fields.or("answers", usual.answers, word);
            relays.zip(answers).map(|(relays, answers)| Adversary::Byzantine(Byzantine { relays, answers }))
        }
        Some("eclipse") => {
            let usual = Eclipse::default();
            let addresses = fields.or("addresses", usual.addresses, Context::count);
            let groups = fields.or("groups", usual.groups, Context::count);
            let dials = fields.or("dials", usual.dials, Context::whole::<u32>);
            addresses.zip(groups).zip(dials).and_then(|((addresses, groups), dials)| {
                if groups > MOST_GROUPS || addresses > groups * MOST_PER_GROUP {
                    let help = format!("at most {MOST_GROUPS} groups of {MOST_PER_GROUP} addresses");
                    context.wrong(
                        node.at,
                        format!("{addresses} addresses of {groups} groups are too many"),
                        Some(help),
                    );
                    return None;
                }
                Some(Adversary::Eclipse(Eclipse { addresses, groups, dials }))
            })
        }
        Some("equivocation") => {
            let every = fields.or("every", Equivocation::default().every, Context::count);
            every.map(|every| Adversary::Equivocation(Equivocation { every }))
        }
        Some("flood") => {
            let usual = Flood::default();
            let rogues = fields.or("rogues", usual.rogues, Context::count);
            let a_second = fields.or("a_second", usual.a_second, Context::count);
            let word = |context: &Context, node: &Node| context.word(node, "kind of flood", &FloodKind::WORDS);
            let with = fields.optional("with", word);
            let flood = rogues.zip(a_second).zip(with);
            flood.map(|((rogues, a_second), with)| Adversary::Flood(Flood { rogues, a_second, with }))
        }
        Some("clock_lies") => {
            let usual = ClockLies::default();
            let word = |context: &Context, node: &Node| context.word(node, "kind of stamp", &Stamps::WORDS);
            let stamps = fields.or("stamps", usual.stamps, word);
            let from_height = fields.or("from_height", usual.from_height, Context::count);
            let lies = stamps.zip(from_height);
            lies.map(|(stamps, from_height)| Adversary::ClockLies(ClockLies { stamps, from_height }))
        }
        Some("echo") => {
            let usual = Echo::default();
            let after = Duration::from_secs(usual.after_seconds.into());
            let after = fields.or("after", after, Context::pause);
            let a_second = fields.or("a_second", usual.a_second, Context::count);
            let word = |context: &Context, node: &Node| context.word(node, "chain", &Recorded::WORDS);
            let chain = fields.or("chain", usual.chain, word);
            after.zip(a_second).zip(chain).map(|((after, a_second), chain)| {
                let after_seconds = u32::try_from(after.as_secs()).unwrap_or(u32::MAX);
                Adversary::Echo(Echo { after_seconds, a_second, chain })
            })
        }
        Some("censorship") => {
            let usual = Censorship::default();
            let leave_out = fields.or("leave_out", usual.leave_out, Context::flag);
            let deficit = fields.or("deficit", usual.deficit, Context::whole::<u32>);
            leave_out.zip(deficit).map(|(leave_out, deficit)| Adversary::Censorship(Censorship { leave_out, deficit }))
        }
        Some("tampering") => {
            let usual = Tampering::default();
            let repair = fields.or("repair", usual.repair, Context::flag);
            let every_bit = fields.or("every_bit", usual.every_bit, Context::count);
            let at_once = fields.or("at_once", usual.at_once, Context::count);
            repair
                .zip(every_bit)
                .zip(at_once)
                .map(|((repair, every_bit), at_once)| Adversary::Tampering(Tampering { repair, every_bit, at_once }))
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
        Adversary::PrivateBranch(PrivateBranch { deficit, lead, pre_mined, from_height, confirmations }) => {
            kind.and(map([
                ("deficit", Some(deficit.into())),
                ("lead", Some(lead.into())),
                ("pre_mined", Some(pre_mined.into())),
                ("from_height", Some(from_height.into())),
                ("confirmations", Some(confirmations.into())),
            ]))
        }
        Adversary::Byzantine(Byzantine { relays, answers }) => {
            kind.and(map([("relays", Some(relays.into())), ("answers", Some(text(answers.word())))]))
        }
        Adversary::Eclipse(Eclipse { addresses, groups, dials }) => kind.and(map([
            ("addresses", Some(addresses.into())),
            ("groups", Some(groups.into())),
            ("dials", Some(dials.into())),
        ])),
        Adversary::Equivocation(Equivocation { every }) => kind.and(map([("every", Some(every.into()))])),
        Adversary::Flood(Flood { rogues, a_second, with }) => kind.and(map([
            ("rogues", Some(rogues.into())),
            ("a_second", Some(a_second.into())),
            ("with", with.map(|with| text(with.word()))),
        ])),
        Adversary::Echo(Echo { after_seconds, a_second, chain }) => kind.and(map([
            ("after", Some(text(Pause(Duration::from_secs(after_seconds.into()))))),
            ("a_second", Some(a_second.into())),
            ("chain", Some(text(chain.word()))),
        ])),
        Adversary::ClockLies(ClockLies { stamps, from_height }) => {
            kind.and(map([("stamps", Some(text(stamps.word()))), ("from_height", Some(from_height.into()))]))
        }
        Adversary::Censorship(Censorship { leave_out, deficit }) => {
            kind.and(map([("leave_out", Some(leave_out.into())), ("deficit", Some(deficit.into()))]))
        }
        Adversary::Tampering(Tampering { repair, every_bit, at_once }) => kind.and(map([
            ("repair", Some(repair.into())),
            ("every_bit", Some(every_bit.into())),
            ("at_once", Some(at_once.into())),
        ])),
        Adversary::Selfish(SelfishMining { from_height }) => kind.and(map([("from_height", Some(from_height.into()))])),
    }
}

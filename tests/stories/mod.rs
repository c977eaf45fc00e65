//! All stories, by what they are about.

pub mod agreement;

use crate::tell::Told;

/// Every story.
pub const ALL: &[Told] = &[
    Told {
        name: "ten_nodes_agree",
        topology: "mesh-10.yaml",
        seed: 1,
        tell: |story| Box::pin(agreement::everyone_agrees(story)),
    },
    Told {
        name: "halves_agree_after_meeting",
        topology: "mesh-10.yaml",
        seed: 7,
        tell: |story| Box::pin(agreement::halves_agree_after_meeting(story)),
    },
    Told {
        name: "a_hundred_nodes_agree",
        topology: "mesh-100.yaml",
        seed: 1,
        tell: |story| Box::pin(agreement::everyone_agrees(story)),
    },
];

//! A profile: settings by name that a file keeps for itself, so that it can be played at length or in short.
//!
//! `profiles: { quick: { duration: 60 blocks } }` is laid over the file where `--set profile=quick` asks for it; a claim has
//! profiles of its own, which are lists of points. `full` is the file as it stands.

use crate::yaml::{Context, Node, Setting, Value};

/// The profile that every file has.
const FULL: &str = "full";

/// Takes the profiles out of a tree and lays the one that is asked for over it; gives the other settings.
pub(super) fn lay_over(context: &Context, tree: &mut Node, settings: Vec<Setting>) -> Option<Vec<Setting>> {
    let Value::Map(entries) = &mut tree.value else { return Some(settings) };
    let Some(place) = entries.iter().position(|entry| entry.key == "profiles") else { return Some(settings) };
    let profiles = entries.remove(place).value;
    let (asked, others): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.path == ["profile"]);
    let Value::Map(named) = &profiles.value else {
        let help = "such as `{ quick: { duration: 60 blocks } }`".to_owned();
        context.wrong(profiles.at, format!("profiles are settings by name, not {}", profiles.value.kind()), Some(help));
        return None;
    };
    if let Some(wrong) = named.iter().find(|entry| !matches!(entry.value.value, Value::Map(_))) {
        let what = format!("a profile is a map of settings, not {}", wrong.value.value.kind());
        context.wrong(wrong.value.at, what, Some("such as `{ duration: 60 blocks }`".into()));
        return None;
    }
    let Some(asked) = asked.last() else { return Some(others) };
    let name = context.text(&asked.value)?;
    if name == FULL {
        return Some(others);
    }
    let Some(profile) = named.iter().find(|entry| entry.key == name) else {
        let known = named.iter().map(|entry| entry.key.as_str()).chain([FULL]);
        context.unknown(asked.value.at, "profile", &name, known);
        return None;
    };
    let Value::Map(said) = &profile.value.value else { return Some(others) };
    let of_profile = said.iter().map(|entry| Setting {
        path: entry.key.split('.').map(str::to_owned).collect(),
        at: entry.at,
        value: entry.value.clone(),
    });
    Some(of_profile.chain(others).collect())
}

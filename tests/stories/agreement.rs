//! Nodes that can hear each other come to one ledger.

use schism::backend::Backend;
use schism::run::story::{Failed, Story, seconds};

/// Nodes mine thirty blocks and stand at one tip.
pub async fn everyone_agrees(mut story: Story) -> Result<(), Failed> {
    story.start().await?;
    story.wait_until("thirty blocks", seconds(600), |view| view.mined() >= 30).await?;
    story.converge(seconds(30)).await
}

/// Two halves mine apart, then meet: the heavier chain wins everywhere.
pub async fn halves_agree_after_meeting<B: Backend>(mut story: Story<B>) -> Result<(), Failed> {
    story.start().await?;
    story.wait_until("five blocks", seconds(200), |view| view.mined() >= 5).await?;
    let split = story.partition(&["half"]).await?;
    story.pass(seconds(120)).await?;
    story.heal(split).await?;
    let mined = story.view().mined();
    story.wait_until("three more blocks", seconds(200), move |view| view.mined() >= mined + 3).await?;
    story.converge(seconds(60)).await
}

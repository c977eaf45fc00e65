//! A sieve: stands before one of a node's actors and changes or swallows what it is told.

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use schism_node::ring::{Door, Traced};
use schism_node::surroundings::{Spawner, Trace};

/// Puts a sieve before an actor: what `pass` gives nothing for, the actor never hears of.
pub fn before<M>(actor: Door<M>, spawner: &Arc<dyn Spawner>, pass: impl FnMut(M) -> Option<M> + 'static) -> Door<M>
where
    M: Message<Result = ()> + Send + Traced + 'static,
{
    let context = Context::<Sieve<M>>::new();
    let address = context.address();
    spawner.spawn_local(Box::pin(context.into_future(Sieve { actor, pass: Box::new(pass) })));
    Door::of(address, Trace::default())
}

struct Sieve<M: Message<Result = ()> + Send + 'static> {
    actor: Door<M>,
    pass: Box<dyn FnMut(M) -> Option<M>>,
}

impl<M: Message<Result = ()> + Send + 'static> Actor for Sieve<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Send + Traced + 'static> Handler<M> for Sieve<M> {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Self::Context) {
        if let Some(message) = (self.pass)(message) {
            self.actor.tell(message);
        }
    }
}

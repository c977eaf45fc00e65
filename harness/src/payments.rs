//! Payments: what a cluster's users do. Wallets that genesis has funded pay each other, at exponential intervals.

use std::collections::VecDeque;
use std::time::Duration;

use bitcoin::secp256k1::SecretKey;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, absolute::LockTime};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schism_node::chain::rules::Allocation;
use schism_node::chain::{Coin, Rules, sign, template};

/// Wallets of a lab's users.
pub const WALLETS: u32 = 32;
/// Coins each is given in genesis: enough that at one payment a second a wallet's change has long been confirmed when
/// its turn comes again.
pub const COINS_PER_WALLET: u32 = 16;
/// What each of these coins holds.
pub const COIN: Amount = Amount::from_sat(10_000_000);
/// What is paid, and the fee offered for it: ten satoshi a byte and more.
const PAID: Amount = Amount::from_sat(1_000);
const FEE: Amount = Amount::from_sat(2_000);

/// What is offered for a payment of all that a wallet has: some three kilobytes, ten satoshi a byte and more.
const SPLIT_FEE: Amount = Amount::from_sat(50_000);

/// Payments that may still be taken back.
const UNSETTLED: usize = 64;

/// Wallets, their coins, and the chance by which they pay.
pub struct Payments {
    wallets: Vec<Wallet>,
    chance: StdRng,
    /// Payments a second.
    rate: f64,
    /// Share of payments that come with a second one for the same coin.
    conflicting: f64,
    /// The last payments: refusals come soon or never.
    unsettled: VecDeque<Payment>,
}

struct Wallet {
    key: SecretKey,
    script: ScriptBuf,
    /// The node it submits to; the only one that surely knows its unconfirmed change.
    home: usize,
    /// What it may spend, what has waited longest first.
    coins: VecDeque<(OutPoint, Amount)>,
    /// It pays nobody until its coins are split.
    held: bool,
}

/// A payment ready to be submitted.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Where.
    pub home: usize,
    /// What.
    pub transaction: Transaction,
    /// Another spend of the same coin, to be submitted elsewhere at the same time.
    pub rival: Option<Transaction>,
}

/// Outputs that genesis pays to the wallets of this seed.
pub fn allocations(seed: u64) -> Vec<Allocation> {
    (0..WALLETS)
        .flat_map(|index| {
            let script = script(&sign::key_from(seed, index));
            std::iter::repeat_n((script, COIN), COINS_PER_WALLET as usize)
        })
        .collect()
}

/// What pays to each wallet of this seed.
pub fn wallets(seed: u64) -> Vec<ScriptBuf> {
    (0..WALLETS).map(|index| script(&sign::key_from(seed, index))).collect()
}

fn script(key: &SecretKey) -> ScriptBuf {
    template::pay_to_witness_key_hash(&sign::public(key))
}

impl Payments {
    /// Wallets of this seed whose coins are in the rules' genesis; they submit to `homes`, in turns.
    ///
    /// # Panics
    /// When `homes` is empty.
    pub fn new(seed: u64, rules: &Rules, homes: &[usize], rate: f64, conflicting: f64) -> Self {
        let coinbase = rules.genesis.txdata.first();
        let funding = coinbase.map(Transaction::compute_txid);
        let wallets = (0..WALLETS).map(|index| {
            let key = sign::key_from(seed, index);
            let script = script(&key);
            let coins = coinbase.iter().flat_map(|coinbase| coinbase.output.iter().enumerate());
            let coins = coins.filter(|(_, output)| output.script_pubkey == script);
            let coins = coins.filter_map(|(vout, output)| Some((OutPoint::new(funding?, vout as u32), output.value)));
            let home = homes[index as usize * homes.len() / WALLETS as usize];
            Wallet { key, script: script.clone(), home, coins: coins.collect(), held: false }
        });
        Self {
            wallets: wallets.collect(),
            chance: StdRng::seed_from_u64(seed ^ 0x70617965),
            rate,
            conflicting,
            unsettled: VecDeque::new(),
        }
    }

    /// Time until the next payment; nothing where there is no load.
    pub fn wait(&mut self) -> Option<Duration> {
        (self.rate > 0.0).then(|| {
            let uniform: f64 = self.chance.random();
            Duration::from_secs_f64(-(1.0 - uniform).ln() / self.rate)
        })
    }

    /// The next payment, of a wallet drawn by chance, signed for what its home asks of the next block; nothing where that
    /// wallet has no coin left.
    pub fn next(&mut self, fork_id: impl FnOnce(usize) -> Option<u32>) -> Option<Payment> {
        let payer = self.chance.random_range(0..self.wallets.len());
        let rival = self.chance.random::<f64>() < self.conflicting;
        let [payee, other] = [1, 2].map(|step| (payer + step) % self.wallets.len());
        if self.wallets[payer].held {
            return None;
        }
        self.pay(payer, payee, rival.then_some(other), fork_id(self.wallets[payer].home))
    }

    /// A payment out of a wallet whose home is `home`, if there is one with a coin that is `unspent` for sure.
    pub fn from_home(
        &mut self,
        home: usize,
        fork_id: Option<u32>,
        unspent: impl Fn(&OutPoint) -> bool,
    ) -> Option<Payment> {
        let payer = self.able(|wallet| wallet.home == home, unspent)?;
        self.pay(payer, (payer + 1) % self.wallets.len(), None, fork_id)
    }

    /// A payment submitted at a node, with a coin that is `unspent` for sure, to a wallet whose home is one of `to`. It is
    /// one of a wallet whose home is that node where there is one, and anybody's elsewhere.
    pub fn between(
        &mut self,
        node: usize,
        to: &[usize],
        fork_id: Option<u32>,
        unspent: impl Fn(&OutPoint) -> bool,
    ) -> Option<Payment> {
        let at_home = self.able(|wallet| wallet.home == node, &unspent);
        let payer = at_home.or_else(|| self.able(|_| true, &unspent))?;
        let step = (1..=self.wallets.len()).find(|step| to.contains(&self.wallet(payer + step).home))?;
        let payment = self.pay(payer, (payer + step) % self.wallets.len(), None, fork_id)?;
        Some(Payment { home: node, ..payment })
    }

    /// Lets no wallet that lives at one of `homes` pay anybody. Returns who they are and where they live.
    pub fn hold(&mut self, homes: &[usize]) -> Vec<(usize, usize)> {
        let wallets = self.wallets.iter_mut().enumerate().filter(|(_, wallet)| homes.contains(&wallet.home));
        let hold = |(number, wallet): (usize, &mut Wallet)| {
            wallet.held = true;
            (number, wallet.home)
        };
        wallets.map(hold).collect()
    }

    /// What pays to a wallet.
    pub fn script(&self, wallet: usize) -> ScriptBuf {
        self.wallets[wallet].script.clone()
    }

    /// Lets a wallet pay.
    pub fn release(&mut self, wallet: usize) {
        self.wallets[wallet].held = false;
    }

    /// A wallet pays all that it has to itself, in as many coins as before, together with a coin of its own that is
    /// `mixed` in. From then on it spends those.
    pub fn split(&mut self, wallet: usize, mixed: Option<(OutPoint, Amount)>, fork_id: Option<u32>) -> Option<Payment> {
        let wallet = &mut self.wallets[wallet];
        let spent: Vec<(OutPoint, Amount)> = wallet.coins.iter().copied().chain(mixed).collect();
        let total = spent.iter().map(|(_, value)| *value).sum::<Amount>().checked_sub(SPLIT_FEE)?;
        let each = total.checked_div(wallet.coins.len() as u64)?;
        let outputs = vec![TxOut { value: each, script_pubkey: wallet.script.clone() }; wallet.coins.len()];
        let transaction = signed(&spent, &wallet.script, &wallet.key, outputs, fork_id)?;
        let txid = transaction.compute_txid();
        wallet.coins = (0..wallet.coins.len()).map(|vout| (OutPoint::new(txid, vout as u32), each)).collect();
        Some(Payment { home: wallet.home, transaction, rival: None })
    }

    /// Some wallet of these with a coin like this, which it will spend next.
    fn able(&mut self, of: impl Fn(&Wallet) -> bool, coin: impl Fn(&OutPoint) -> bool) -> Option<usize> {
        let place = |wallet: &Wallet| wallet.coins.iter().position(|(outpoint, _)| coin(outpoint));
        let mut wallets = self.wallets.iter().enumerate().filter(|(_, wallet)| !wallet.held && of(wallet));
        let (payer, place) = wallets.find_map(|(payer, wallet)| Some((payer, place(wallet)?)))?;
        self.wallets[payer].coins.rotate_left(place);
        Some(payer)
    }

    /// Wallets in a circle.
    fn wallet(&self, number: usize) -> &Wallet {
        &self.wallets[number % self.wallets.len()]
    }

    /// Nodes that are some wallet's home, in order.
    pub fn homes(&self) -> Vec<usize> {
        let mut homes: Vec<usize> = self.wallets.iter().map(|wallet| wallet.home).collect();
        homes.dedup();
        homes
    }

    /// Takes a payment back that its home refused or let go: its coin can be spent again, its change is gone, and so is
    /// every payment out of that change.
    pub fn take_back(&mut self, home: usize, txid: Txid) {
        let is = |payment: &Payment| payment.home == home && payment.transaction.compute_txid() == txid;
        let Some(place) = self.unsettled.iter().position(is) else { return };
        let Some(Payment { transaction, .. }) = self.unsettled.remove(place) else { return };
        let change = OutPoint::new(txid, 1);
        let spends = |payment: &&Payment| payment.transaction.input[0].previous_output == change;
        if let Some(child) = self.unsettled.iter().find(spends).map(|child| child.transaction.compute_txid()) {
            self.take_back(home, child);
        }
        let value = transaction.output[1].value;
        for wallet in &mut self.wallets {
            if let Some(place) = wallet.coins.iter().position(|(outpoint, _)| *outpoint == change) {
                wallet.coins.remove(place);
                wallet.coins.push_back((transaction.input[0].previous_output, value + PAID + FEE));
            }
        }
    }

    /// The payer's next coin pays the payee, and a rival of it another one.
    fn pay(&mut self, payer: usize, payee: usize, rival: Option<usize>, fork_id: Option<u32>) -> Option<Payment> {
        let (payee, rival) = (self.script(payee), rival.map(|rival| self.script(rival)));
        let wallet = &mut self.wallets[payer];
        let (outpoint, value) = wallet.coins.pop_front()?;
        let transaction = wallet.spend(outpoint, value, payee, fork_id)?;
        let rival = match rival {
            Some(other) => Some(wallet.spend(outpoint, value, other, fork_id)?),
            None => None,
        };
        if rival.is_none() {
            // Of two rivals nobody knows which wins, so neither's change is spent again.
            let change: Txid = transaction.compute_txid();
            wallet.coins.push_back((OutPoint::new(change, 1), transaction.output[1].value));
        }
        let payment = Payment { home: wallet.home, transaction, rival };
        if payment.rival.is_none() {
            self.unsettled.push_back(payment.clone());
            if self.unsettled.len() > UNSETTLED {
                self.unsettled.pop_front();
            }
        }
        Some(payment)
    }
}

impl Wallet {
    /// Pays a little out of a coin and the rest back to itself; nothing where the coin is too small.
    fn spend(&self, outpoint: OutPoint, value: Amount, payee: ScriptBuf, fork_id: Option<u32>) -> Option<Transaction> {
        let change = value.checked_sub(PAID)?.checked_sub(FEE)?;
        let outputs = vec![
            TxOut { value: PAID, script_pubkey: payee },
            TxOut { value: change, script_pubkey: self.script.clone() },
        ];
        signed(&[(outpoint, value)], &self.script, &self.key, outputs, fork_id)
    }
}

/// A transaction that spends coins of one script, signed with its key.
pub fn signed(
    coins: &[(OutPoint, Amount)],
    script: &ScriptBuf,
    key: &SecretKey,
    outputs: Vec<TxOut>,
    fork_id: Option<u32>,
) -> Option<Transaction> {
    let input = |(previous_output, _): &(OutPoint, Amount)| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let mut transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: coins.iter().map(input).collect(),
        output: outputs,
    };
    for (input, (_, value)) in coins.iter().enumerate() {
        let coin = Coin { height: 0, coinbase: false, value: *value, script: script.clone() };
        sign::sign_input(&mut transaction, input, &coin, &[*key], fork_id).ok()?;
    }
    Some(transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_let_go_can_be_paid_again_and_nothing_that_came_of_it() {
        let mut payments = Payments::new(1, &Rules::lab(&allocations(1)), &[0], 1.0, 0.0);
        let parent = payments.from_home(0, None, |_| true).expect("genesis paid").transaction;
        let change = |parent: &Transaction| OutPoint::new(parent.compute_txid(), 1);
        let child = payments.from_home(0, None, |coin| *coin == change(&parent)).expect("its change").transaction;
        payments.take_back(1, parent.compute_txid());
        assert!(payments.from_home(0, None, |coin| *coin == parent.input[0].previous_output).is_none());
        payments.take_back(0, parent.compute_txid());
        assert!(payments.from_home(0, None, |coin| [change(&parent), change(&child)].contains(coin)).is_none());
        assert!(payments.from_home(0, Some(7), |coin| *coin == parent.input[0].previous_output).is_some());
    }

    #[test]
    fn who_is_held_pays_nobody_and_then_only_what_it_has_split() {
        let mut payments = Payments::new(1, &Rules::lab(&allocations(1)), &[0, 1], 1.0, 0.0);
        let held = payments.hold(&[1]);
        assert_eq!(held.first(), Some(&(WALLETS as usize / 2, 1)));
        assert!(payments.from_home(1, None, |_| true).is_none());
        assert!(payments.from_home(0, None, |_| true).is_some());
        let mixed = (OutPoint::null(), Amount::from_sat(1));
        let split = payments.split(held[0].0, Some(mixed), None).expect("genesis paid").transaction;
        assert_eq!((split.input.len(), split.output.len()), (17, 16));
        assert!(payments.from_home(1, None, |_| true).is_none());
        payments.release(held[0].0);
        let paid = payments.from_home(1, None, |_| true).expect("its coins are split").transaction;
        assert_eq!(paid.input[0].previous_output.txid, split.compute_txid());
    }
}

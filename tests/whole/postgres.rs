//! The simulation on a real database: its commits take real time, and nothing else differs.

use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use smsotpd::store::{self, DatabaseUrl, Engine, Order, Overlay, Pair, StoreError};

use crate::postgres_server::Server;
use crate::sim::{Plan, report, run_on};

type Work = Box<dyn FnOnce(&dyn Engine) + Send>;

/// An engine on a thread of its own, since it waits, and the simulation is one task of one runtime.
struct OnAThread(mpsc::Sender<Work>);

impl OnAThread {
    fn new(url: String) -> Self {
        let (work, works) = mpsc::channel::<Work>();
        std::thread::spawn(move || {
            let engine = store::database(&DatabaseUrl::parse(&url).unwrap(), "attic").unwrap();
            for work in works {
                work(&*engine);
            }
        });
        Self(work)
    }

    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&dyn Engine) -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.0.send(Box::new(move |engine| tell.send(question(engine)).unwrap())).unwrap();
        told.recv().unwrap()
    }
}

impl Engine for OnAThread {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_vec();
        self.ask(move |engine| engine.load(&key))
    }

    fn load_in_turn(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_vec();
        self.ask(move |engine| engine.load_in_turn(&key))
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let (start, end) = (range.start.to_vec(), range.end.to_vec());
        self.ask(move |engine| engine.chunk(&start..&end, order, limit))
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.ask(|engine| engine.prepare())
    }

    fn release(&self) {
        self.ask(|engine| engine.release());
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        self.ask(move |engine| engine.commit(changes))
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What holds in memory holds on a database: some minutes of faults, crashes among them.
#[test]
fn a_database_holds_what_memory_does() {
    let Some(server) = Server::new() else { return };
    for seed in 1..=4 {
        let plan = Plan { unrest: Duration::from_secs(600), ..Plan::of(seed) };
        let run = run_on(Arc::new(OnAThread::new(server.database())), &plan);
        assert!(run.broken.is_none(), "{}", report(&plan, &run));
    }
}

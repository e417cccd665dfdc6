//! A host of the other kind: it keeps no events, only what came of each thing that the engine asked for, in order. After
//! a crash it runs everything again from the start and demands that the engine asks for the same things in the same
//! order, as engines that replay code do.

use std::sync::Arc;

use loopfour_engine::{
    Attempt, Command, Context, Entry, Outcome, Policy, Run, Sending, StepPath, Timestamp, Wake,
};

use crate::provider::Provider;

/// What came of one thing that the engine asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The time that a decision was made at.
    Time(Timestamp),
    /// A call, and its outcome.
    Call(Box<Command>, Box<Outcome>),
    /// The run slept until then.
    Slept(Timestamp),
}

/// The engine asked for something else than what was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Position of the record.
    pub at: usize,
    /// What is recorded there.
    pub recorded: Record,
    /// What the engine asked for.
    pub asked: String,
}

/// The host. Its records are what survives a crash.
#[derive(Debug)]
pub struct StrictHost {
    /// What was recorded so far.
    pub records: Vec<Record>,
    position: usize,
    provider: Provider,
    now: Timestamp,
    /// So many records are made, then the process crashes: after doing a thing and before recording it.
    crash_at: Option<usize>,
    /// It has crashed, so what is not recorded may have been done.
    crashed: bool,
}

/// The process crashed, or the engine did not repeat itself.
#[derive(Clone, Debug, PartialEq)]
enum Stop {
    Crash,
    Mismatch(Mismatch),
}

impl StrictHost {
    /// A host that has recorded nothing; its clock stands at `now` and moves by a second with every reading.
    pub fn new(provider: Provider, now: Timestamp) -> StrictHost {
        StrictHost { records: Vec::new(), position: 0, provider, now, crash_at: None, crashed: false }
    }

    /// Crashes once, when so many records are made and the next thing is done but not recorded.
    pub fn crash_at(mut self, records: usize) -> StrictHost {
        self.crash_at = Some(records);
        self
    }

    /// Runs until it ends or waits for a person, from the start again after every crash.
    ///
    /// # Errors
    /// The engine asked for something else than before the crash.
    pub fn run(&mut self, first: &Entry, definition: &Arc<loopfour_lang::Workflow>) -> Result<Run, Mismatch> {
        loop {
            self.position = 0;
            match self.attempt(first, definition) {
                Ok(run) => return Ok(run),
                Err(Stop::Crash) => {
                    self.crash_at = None;
                    self.crashed = true;
                }
                Err(Stop::Mismatch(mismatch)) => return Err(mismatch),
            }
        }
    }

    fn attempt(&mut self, first: &Entry, definition: &Arc<loopfour_lang::Workflow>) -> Result<Run, Stop> {
        let mut run = Run::begin(Arc::clone(definition), first).expect("a run's start");
        let (prepare, policy) = (self.provider.clone(), Policy::default());
        let context = |now| Context { prepare: &prepare, policy: &policy, now };
        loop {
            run.advance(&context(self.time()?));
            if let Some(command) = run.due() {
                let now = self.time()?;
                run.before_sending(&command, &context(now));
                let Command::Perform { path, .. } = &command;
                let path: StepPath = path.clone();
                let outcome = self.perform(command)?;
                run.settle(&path, outcome, &context(self.time()?));
            } else if let Some(due) = run.due_at() {
                self.slept(due)?;
                run.wake(Wake::Timer, &context(due));
            } else {
                return Ok(run);
            }
        }
    }

    fn time(&mut self) -> Result<Timestamp, Stop> {
        match self.next() {
            Some(Record::Time(time)) => Ok(time),
            Some(recorded) => Err(self.mismatch(recorded, "the time".to_owned())),
            None => {
                self.now.0 += 1000;
                let now = self.now;
                self.record(Record::Time(now))?;
                Ok(now)
            }
        }
    }

    fn perform(&mut self, command: Command) -> Result<Outcome, Stop> {
        match self.next() {
            Some(Record::Call(recorded, outcome)) if *recorded == command => Ok(*outcome),
            Some(recorded) => Err(self.mismatch(recorded, format!("{command:?}"))),
            None => {
                let sending = command.sending();
                let again = self.crashed && sending.attempt == Attempt::First;
                let attempt = if again { Attempt::Again } else { sending.attempt };
                let sending = Sending { attempt, ..sending };
                let outcome = self.provider.answer(sending);
                self.record(Record::Call(Box::new(command), Box::new(outcome.clone())))?;
                Ok(outcome)
            }
        }
    }

    /// Sleeps: the clock stands at that time then.
    fn slept(&mut self, until: Timestamp) -> Result<(), Stop> {
        match self.next() {
            Some(Record::Slept(recorded)) if recorded == until => {}
            Some(recorded) => return Err(self.mismatch(recorded, format!("to sleep until {until}"))),
            None => self.record(Record::Slept(until))?,
        }
        self.now = self.now.max(until);
        Ok(())
    }

    fn next(&mut self) -> Option<Record> {
        let record = self.records.get(self.position).cloned();
        self.position += usize::from(record.is_some());
        record
    }

    fn record(&mut self, record: Record) -> Result<(), Stop> {
        if self.crash_at == Some(self.records.len()) {
            return Err(Stop::Crash);
        }
        self.records.push(record);
        self.position = self.records.len();
        Ok(())
    }

    fn mismatch(&self, recorded: Record, asked: String) -> Stop {
        Stop::Mismatch(Mismatch { at: self.position - 1, recorded, asked })
    }
}

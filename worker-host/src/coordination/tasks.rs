//! What a tab has another one do. The outcome is kept until the asker has it: a task is not done again for a host that
//! died meanwhile.

use broker::coordination::messages::{Outcome, Say};
use proxy_doc::{Error, Gather, Json, codes};

use super::Coordination;

/// Outcomes that are kept.
const KEPT: usize = 64;

/// What is asked of a tab.
#[derive(Clone, Debug)]
pub(super) struct Task {
    from: String,
    number: u64,
    /// `None`: of the leader.
    to: Option<String>,
    /// The tab that was told.
    told: Option<String>,
    task: String,
    payload: Json,
}

/// What a task came to.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) from: String,
    pub(super) number: u64,
    pub(super) outcome: Outcome,
}

impl Coordination {
    /// A tab has another one do something.
    pub(super) fn delegate(
        &mut self,
        id: &str,
        number: u64,
        to: Option<String>,
        task: String,
        payload: Json,
    ) {
        let mut finished = self.finished.iter();
        if let Some(known) = finished.find(|known| known.from == id && known.number == number) {
            let outcome = known.outcome.clone();
            return self.answer_outcome(id, number, &outcome);
        }
        let is_again = |known: &Task| known.from == id && known.number == number;
        if self.tasks.iter().any(is_again) {
            return;
        }
        if to.as_ref().is_some_and(|to| self.member(to).is_none()) {
            return self.answer(id, number, Err(gone()));
        }
        self.tasks.push(Task {
            from: id.to_owned(),
            number,
            to,
            told: None,
            task,
            payload,
        });
    }

    /// Tells tabs what they are to do.
    pub(super) fn give_tasks(&mut self) {
        if self.is_open() && self.leader.is_none() && self.best(None).is_none() {
            let for_nobody = |task: &mut Task| task.to.is_none();
            let lost: Vec<Task> = self.tasks.extract_if(.., for_nobody).gather();
            for task in lost {
                self.answer(&task.from, task.number, Err(gone()));
            }
        }
        let leader = self.leads().map(|leader| leader.id.clone());
        for at in 0..self.tasks.len() {
            let task = &self.tasks[at];
            let to = task.to.clone().or_else(|| leader.clone());
            let Some(to) = to.filter(|to| task.told.is_none() && self.is_here(to)) else {
                continue;
            };
            let say = Say::Task {
                from: task.from.clone(),
                number: task.number,
                task: task.task.clone(),
                payload: task.payload.clone(),
            };
            self.say(&to, say);
            self.tasks[at].told = Some(to);
        }
    }

    /// A tab has done what another one asked for.
    pub(super) fn finish_task(
        &mut self,
        id: &str,
        number: u64,
        from: String,
        of: u64,
        outcome: Outcome,
    ) {
        self.tasks
            .retain(|task| task.from != from || task.number != of);
        let mut finished = self.finished.iter();
        let is_known = finished.any(|known| known.from == from && known.number == of);
        if !is_known {
            self.answer_outcome(&from, of, &outcome);
            self.finished.push(Finished {
                from,
                number: of,
                outcome,
            });
            if self.finished.len() > KEPT {
                self.finished.remove(0);
            }
            self.changed.decisions = true;
        }
        self.answer(id, number, Ok(None));
    }

    pub(super) fn answer_outcome(&mut self, id: &str, number: u64, outcome: &Outcome) {
        let Outcome { error, result } = outcome.clone();
        self.answer(id, number, error.map_or(Ok(result), Err));
    }

    /// The tab has these requests no more.
    pub(super) fn forget_finished(&mut self, id: &str, open: u64) {
        self.finished
            .retain(|known| known.from != id || known.number >= open);
    }

    /// The tab is told again what it is to do: it may not have heard it.
    pub(super) fn tell_tasks_again(&mut self, id: &str) {
        for task in &mut self.tasks {
            task.told.take_if(|told| told == id);
        }
    }

    /// Whether the tab is to do something.
    pub(super) fn has_tasks_to(&self, id: &str) -> bool {
        let is_its = |of: &Option<String>| of.as_deref() == Some(id);
        let mut tasks = self.tasks.iter();
        tasks.any(|task| is_its(&task.to) || is_its(&task.told))
    }

    /// The tab does nothing any more: what it was to do is done by the next leader, or not at all.
    pub(super) fn drop_tasks_to(&mut self, id: &str) {
        self.tell_tasks_again(id);
        let is_its = |task: &mut Task| task.to.as_deref() == Some(id);
        let lost: Vec<Task> = self.tasks.extract_if(.., is_its).gather();
        for task in lost {
            self.answer(&task.from, task.number, Err(gone()));
        }
    }

    /// The tab is gone. What it asked for may be done all the same: it may come back and ask again.
    pub(super) fn drop_tasks_of(&mut self, id: &str) {
        self.tasks.retain(|task| task.from != id);
        self.drop_tasks_to(id);
    }
}

fn gone() -> Error {
    Error::new(
        codes::ERR_TAB_GONE,
        "The tab that was to do it is gone, or no tab can lead",
    )
}

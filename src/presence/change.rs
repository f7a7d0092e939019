//! How somebody's presence changes.

use crate::contract::{
    Timestamp, UserId,
    presence::{ChosenStatus, Status},
};

/// Something that happened to a user of this node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Came,
    /// They were there until then.
    Went(Timestamp),
    Chose(ChosenStatus),
}

/// What several changes of one user come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    /// Whether they are here now; nothing if that stays as it was.
    pub(super) is_here: Option<bool>,
    /// How they want to appear; nothing if that stays as it was.
    pub(super) chosen: Option<ChosenStatus>,
    /// When they went.
    pub(super) left_at: Option<Timestamp>,
}

impl Step {
    /// And then that.
    pub(super) fn then(&mut self, change: Change) {
        match change {
            Change::Came => self.is_here = Some(true),
            Change::Went(at) => *self = Self { is_here: Some(false), chosen: None, left_at: Some(at) },
            Change::Chose(chosen) => self.chosen = Some(chosen),
        }
    }
}

/// How somebody was, and is: on any node, nothing meaning on none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) user: UserId,
    pub(super) before: Option<ChosenStatus>,
    pub(super) after: Option<ChosenStatus>,
    pub(super) left_at: Option<Timestamp>,
}

impl Shift {
    /// Whether others see a difference that they are told of.
    pub(super) fn is_news(&self) -> bool {
        shows(self.before) != shows(self.after)
    }
}

/// Whether others see somebody who wants to appear so.
pub(super) fn shows(chosen: Option<ChosenStatus>) -> bool {
    chosen.is_some_and(|chosen| chosen.shown() != Status::Offline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_user_come_to_one_step() {
        let at = Timestamp(7);
        let away = Change::Chose(ChosenStatus::Away);
        for (changes, is_here, chosen) in [
            (vec![Change::Came, away], Some(true), Some(ChosenStatus::Away)),
            (vec![away, Change::Went(at)], Some(false), None),
            (vec![Change::Came, away, Change::Went(at), Change::Came], Some(true), None),
            (vec![away], None, Some(ChosenStatus::Away)),
        ] {
            let mut step = Step::default();
            changes.iter().for_each(|change| step.then(*change));
            assert_eq!((step.is_here, step.chosen), (is_here, chosen), "{changes:?}");
        }
    }

    #[test]
    fn only_what_others_see_is_news() {
        let user = UserId::new();
        let (online, away, hidden) =
            (Some(ChosenStatus::Online), Some(ChosenStatus::Away), Some(ChosenStatus::Invisible));
        for (before, after, is_news) in [
            (None, online, true),
            (online, None, true),
            (online, hidden, true),
            (hidden, away, true),
            (online, away, false),
            (online, online, false),
            (hidden, None, false),
            (None, hidden, false),
        ] {
            assert_eq!(Shift { user, before, after, left_at: None }.is_news(), is_news, "{before:?} to {after:?}");
        }
    }
}

//! Changes of presence.

use crate::contract::{
    Timestamp, UserId,
    presence::{ChosenStatus, Status},
};

/// Something that happened to a user of this node.
#[derive(Clone, Copy, Debug)]
pub(super) enum PresenceChange {
    /// They appear so, unless they are on another node already.
    Came(ChosenStatus),
    /// They were there until then.
    Went(Timestamp),
    /// They chose at that time.
    Chose(ChosenStatus, Timestamp),
}

/// What several changes of one user come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NetChange {
    /// Whether they are here now; nothing if that stays as it was.
    pub(super) is_here: Option<bool>,
    /// How they want to appear; nothing if that stays as it was.
    pub(super) chosen: Option<ChosenStatus>,
    /// How they appear if they came, were nowhere and chose nothing.
    pub(super) arrival: Option<ChosenStatus>,
    /// When they went.
    pub(super) left_at: Option<Timestamp>,
    /// Whether they want to appear offline, for good; nothing if that stays as it was.
    pub(super) is_invisible: Option<bool>,
    /// Since when.
    hid_at: Option<Timestamp>,
}

impl NetChange {
    /// And then that.
    pub(super) fn then(&mut self, change: PresenceChange) {
        match change {
            PresenceChange::Came(arrival) => (self.is_here, self.arrival) = (Some(true), Some(arrival)),
            PresenceChange::Went(at) => {
                *self = Self { is_here: Some(false), chosen: None, arrival: None, left_at: Some(at), ..*self };
            }
            PresenceChange::Chose(chosen, at) => {
                let hides = chosen == ChosenStatus::Invisible;
                (self.chosen, self.is_invisible) = (Some(chosen), Some(hides));
                self.hid_at = hides.then_some(at);
            }
        }
    }

    /// How they appear after this who are here, when they appeared so before.
    pub(super) fn appearance(&self, before: Option<ChosenStatus>) -> ChosenStatus {
        let went_invisible = self.is_invisible.is_some_and(|hides| hides).then_some(ChosenStatus::Invisible);
        self.chosen.or(before).or(went_invisible).or(self.arrival).unwrap_or_default()
    }

    /// Until when others saw them there who appeared so before, if this changes that: who is invisible is not seen to go.
    pub(super) fn seen_until(&self, before: Option<ChosenStatus>) -> Option<Timestamp> {
        let was_hidden = before.or(self.arrival) == Some(ChosenStatus::Invisible);
        match self.is_invisible {
            Some(true) => self.hid_at.filter(|_| !was_hidden),
            Some(false) => self.left_at,
            None => self.left_at.filter(|_| !was_hidden),
        }
    }
}

/// The presence of a user before and after, on any node; nothing means on none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) user: UserId,
    pub(super) before: Option<ChosenStatus>,
    pub(super) after: Option<ChosenStatus>,
    pub(super) left_at: Option<Timestamp>,
}

impl Shift {
    /// Whether the change is visible to others.
    pub(super) fn is_visible(&self) -> bool {
        shows(self.before) != shows(self.after)
    }
}

/// Whether others see a user with this chosen status.
pub(super) fn shows(chosen: Option<ChosenStatus>) -> bool {
    chosen.is_some_and(|chosen| chosen.shown() != Status::Offline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_user_come_to_one_step() {
        let at = Timestamp(7);
        let away = PresenceChange::Chose(ChosenStatus::Away, at);
        let came = PresenceChange::Came(ChosenStatus::Online);
        for (changes, is_here, chosen) in [
            (vec![came, away], Some(true), Some(ChosenStatus::Away)),
            (vec![away, PresenceChange::Went(at)], Some(false), None),
            (vec![came, away, PresenceChange::Went(at), came], Some(true), None),
            (vec![away], None, Some(ChosenStatus::Away)),
        ] {
            let mut step = NetChange::default();
            changes.iter().for_each(|change| step.then(*change));
            assert_eq!((step.is_here, step.chosen), (is_here, chosen), "{changes:?}");
        }
    }

    #[test]
    fn who_is_invisible_is_seen_neither_to_come_nor_to_go() {
        let (early, late) = (Timestamp(7), Timestamp(9));
        let (online, hidden) = (ChosenStatus::Online, ChosenStatus::Invisible);
        let (hides, shows) = (PresenceChange::Chose(hidden, early), PresenceChange::Chose(online, early));
        for (before, changes, seen) in [
            (Some(online), vec![PresenceChange::Went(late)], Some(late)),
            (Some(hidden), vec![PresenceChange::Went(late)], None),
            (Some(online), vec![hides], Some(early)),
            (Some(online), vec![hides, PresenceChange::Went(late)], Some(early)),
            (Some(hidden), vec![hides, PresenceChange::Went(late)], None),
            (Some(hidden), vec![shows, PresenceChange::Went(late)], Some(late)),
            (Some(hidden), vec![shows], None),
            (None, vec![PresenceChange::Came(hidden)], None),
        ] {
            let mut step = NetChange::default();
            changes.iter().for_each(|change| step.then(*change));
            assert_eq!(step.seen_until(before), seen, "{changes:?} after {before:?}");
        }
        let mut step = NetChange::default();
        [hides, PresenceChange::Went(late), PresenceChange::Came(online)].iter().for_each(|change| step.then(*change));
        assert_eq!(step.appearance(None), hidden);
    }

    #[test]
    fn only_what_others_see_is_news() {
        let user = UserId::new();
        let (online, away, hidden) =
            (Some(ChosenStatus::Online), Some(ChosenStatus::Away), Some(ChosenStatus::Invisible));
        for (before, after, is_visible) in [
            (None, online, true),
            (online, None, true),
            (online, hidden, true),
            (hidden, away, true),
            (online, away, false),
            (online, online, false),
            (hidden, None, false),
            (None, hidden, false),
        ] {
            assert_eq!(
                Shift { user, before, after, left_at: None }.is_visible(),
                is_visible,
                "{before:?} to {after:?}"
            );
        }
    }
}

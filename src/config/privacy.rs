//! The section `privacy`: what strangers see of each other.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    pub emails: Emails,
    pub adding: Adding,
}

/// Who sees e-mail addresses in full, besides their owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Emails {
    /// Nobody.
    Hidden,
    /// Users of whom the owner is a contact.
    Contacts,
    /// Every user.
    Everyone,
}

/// Who may add a user to a room at once; with the same request, all others invite them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Adding {
    /// Anyone who may add members, and every user to a direct room.
    Anyone,
    /// Only those of them who have the added user as a contact.
    Contacts,
}

impl Emails {
    /// Whether an address is shown in full to another user, of whom its owner is a contact or not.
    #[must_use]
    pub fn are_whole(self, is_contact: bool) -> bool {
        match self {
            Self::Hidden => false,
            Self::Contacts => is_contact,
            Self::Everyone => true,
        }
    }
}

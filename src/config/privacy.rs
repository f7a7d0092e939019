//! What people who do not know each other may learn of each other.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    pub emails: Emails,
    pub adding: Adding,
}

/// Who sees e-mail addresses whole, besides those they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Emails {
    /// Nobody.
    Hidden,
    /// Those of whom they are a contact.
    Contacts,
    /// Every user.
    Everyone,
}

/// Who puts somebody into a room at once; all others invite them by the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Adding {
    /// Whoever may add members there, and every user into a direct room.
    Anyone,
    /// Those of them whose contacts they are.
    Contacts,
}

impl Emails {
    /// Whether an address is shown whole to somebody else, whose contact its owner is or is not.
    #[must_use]
    pub fn are_whole(self, is_contact: bool) -> bool {
        match self {
            Self::Hidden => false,
            Self::Contacts => is_contact,
            Self::Everyone => true,
        }
    }
}

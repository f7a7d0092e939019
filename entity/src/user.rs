//! Accounts.

use sea_orm::{ActiveValue::Set, entity::prelude::*};

use crate::{Erasing, MediaId, Timestamp, UserId, fold::fold};

/// A person, or a bot.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Lower case; unique.
    #[sea_orm(unique)]
    pub email: String,
    /// As its owner writes it.
    pub username: Option<String>,
    /// The user name in lower case; unique.
    #[sea_orm(unique)]
    pub username_key: Option<String>,
    /// Argon2id in PHC string format; absent for accounts that sign in elsewhere.
    pub password_hash: Option<String>,
    pub full_name: Option<String>,
    /// The full name as it is compared in a search; it follows the full name by itself.
    pub name_key: Option<String>,
    /// A picture that is kept elsewhere.
    pub avatar_url: Option<String>,
    /// A picture that was uploaded here.
    pub avatar_media_id: Option<MediaId>,
    pub is_active: bool,
    pub is_verified: bool,
    pub is_superuser: bool,
    pub is_bot: bool,
    /// Whether others see how far they have read.
    pub shares_receipts: bool,
    pub created_at: Timestamp,
    /// When others last saw a change of it: of a name, of the picture, or of whether it stands.
    pub profile_changed_at: Option<Timestamp>,
    pub last_login: Option<Timestamp>,
    /// What is left to be done of its erasure.
    pub erasing: Option<Erasing>,
    /// Whether they want to appear offline, also when they come back.
    pub is_invisible: bool,
    /// When others last saw them there.
    pub last_seen_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

#[async_trait::async_trait]
impl ActiveModelBehavior for ActiveModel {
    async fn before_save<C: ConnectionTrait>(mut self, _: &C, _: bool) -> Result<Self, DbErr> {
        if let Set(full_name) = &self.full_name {
            self.name_key = Set(full_name.as_deref().map(fold));
        }
        Ok(self)
    }
}

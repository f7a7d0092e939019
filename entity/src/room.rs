//! Rooms, and the counter that orders everything in them.

use sea_orm::{ActiveValue::Set, entity::prelude::*};

use crate::{HistoryAccess, MediaId, RoomId, RoomType, Seq, Timestamp, UserId, Visibility, fold::fold};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rooms")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RoomId,
    pub room_type: RoomType,
    pub visibility: Visibility,
    pub name: Option<String>,
    pub description: Option<String>,
    /// Name and description as they are compared in a search; see [`search_key`].
    pub search_key: Option<String>,
    /// A picture that is kept elsewhere.
    pub avatar_url: Option<String>,
    /// A picture that was uploaded here.
    pub avatar_media_id: Option<MediaId>,
    pub created_by: UserId,
    pub max_members: Option<i32>,
    pub member_count: i32,
    /// Messages ever stored here, deleted ones included.
    pub message_count: i64,
    /// The newest seq of the log. Taken only by the transaction that fills it.
    pub last_seq: Seq,
    /// The seq of the newest message; 0 while there is none.
    pub last_message_seq: Seq,
    /// How far back newcomers read.
    pub history: HistoryAccess,
    /// Seconds between two messages of one member; 0 for no limit. Owners and admins have none.
    pub slow_mode_seconds: i32,
    pub ai_enabled: bool,
    pub ai_model: Option<String>,
    /// Both people of a direct room, smaller id first: unique, so that a pair has one room.
    #[sea_orm(unique)]
    pub direct_key: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The newest message's time, or the room's own: what lists are sorted by.
    pub active_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

#[async_trait::async_trait]
impl ActiveModelBehavior for ActiveModel {
    async fn before_save<C: ConnectionTrait>(mut self, _: &C, _: bool) -> Result<Self, DbErr> {
        if let (Some(name), Some(description)) = (self.name.try_as_ref(), self.description.try_as_ref())
            && (self.name.is_set() || self.description.is_set())
        {
            self.search_key = Set(search_key(name.as_deref(), description.as_deref()));
        }
        Ok(self)
    }
}

/// What a search of rooms looks at: the lines of a name and a description, folded.
#[must_use]
pub fn search_key(name: Option<&str>, description: Option<&str>) -> Option<String> {
    let lines: Vec<String> = [name, description].into_iter().flatten().map(fold).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

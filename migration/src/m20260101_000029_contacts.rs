//! Who is a contact of whom: whoever created a room, joined it by themselves or wrote in it is a contact of its other members.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What is known of the members that there are. Whoever joined by themselves is in the audit list, which has no index by user: it
/// is read once, not once for each member.
const TAKE_PART: &str = "UPDATE members SET participates = TRUE WHERE \
     EXISTS (SELECT 1 FROM rooms r WHERE r.id = members.room_id AND r.created_by = members.user_id) \
     OR EXISTS (SELECT 1 FROM messages m WHERE m.room_id = members.room_id AND m.sender_id = members.user_id) \
     OR (room_id, user_id) IN (SELECT room_id, user_id FROM audit_entries WHERE action = 'member_joined')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let members = || Table::alter().table("members").to_owned();
        manager.alter_table(members().add_column(boolean("participates").default(false)).to_owned()).await?;
        manager.alter_table(members().add_column(integer("times_left").default(0)).to_owned()).await?;
        manager.get_connection().execute_unprepared(TAKE_PART).await?;
        manager
            .create_index(
                Index::create()
                    .name("members_by_user_and_part")
                    .table("members")
                    .col("user_id")
                    .col("participates")
                    .col("room_id")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("members_by_user_and_part").table("members").to_owned()).await?;
        manager.alter_table(Table::alter().table("members").drop_column("times_left").to_owned()).await?;
        manager.alter_table(Table::alter().table("members").drop_column("participates").to_owned()).await
    }
}

//! One table of cursors for everything that follows the logs of rooms. The search index had one of its own.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("follower_cursors")
                    .col(string_len("follower", 32))
                    .col(uuid("room_id"))
                    .col(big_integer("seq"))
                    .primary_key(Index::create().col("follower").col("room_id"))
                    .foreign_key(ForeignKey::create().from("follower_cursors", "room_id").to("rooms", "id"))
                    .to_owned(),
            )
            .await?;
        let cursors = "INSERT INTO follower_cursors (follower, room_id, seq) \
            SELECT 'search', room_id, indexed_seq FROM search_rooms";
        manager.get_connection().execute_unprepared(cursors).await?;
        manager.alter_table(Table::alter().table("search_rooms").drop_column("indexed_seq").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = big_integer("indexed_seq").default(0).to_owned();
        manager.alter_table(Table::alter().table("search_rooms").add_column(column).to_owned()).await?;
        let cursors = "UPDATE search_rooms SET indexed_seq = COALESCE((SELECT seq FROM follower_cursors f \
            WHERE f.follower = 'search' AND f.room_id = search_rooms.room_id), 0)";
        manager.get_connection().execute_unprepared(cursors).await?;
        manager.drop_table(Table::drop().table("follower_cursors").to_owned()).await
    }
}

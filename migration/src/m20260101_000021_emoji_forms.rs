//! One form for each emoji: those that were stored in several, such as ❤ with and without the wish to be a picture, become one
//! reaction, and each person's once.

use entity::emoji::canonical;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let stored = Query::select().distinct().column("emoji").from("room_events").to_owned();
        for row in db.query_all(&stored).await? {
            let Some(form) = row.try_get::<Option<String>>("", "emoji")? else { continue };
            let Some(one) = canonical(&form).filter(|one| *one != form) else { continue };
            let of = |name: &'static str, column: &'static str| Expr::col((name, column));
            let same = Query::select()
                .expr(Expr::val(1))
                .from_as("reactions", "kept")
                .and_where(of("kept", "emoji").eq(one.as_str()))
                .and_where(of("kept", "message_id").equals(("reactions", "message_id")))
                .and_where(of("kept", "user_id").equals(("reactions", "user_id")))
                .to_owned();
            let again = Query::delete()
                .from_table("reactions")
                .and_where(of("reactions", "emoji").eq(form.as_str()))
                .and_where(Expr::exists(same))
                .to_owned();
            db.execute(&again).await?;
            for table in ["reactions", "room_events"] {
                let change = Query::update()
                    .table(table)
                    .value("emoji", one.as_str())
                    .and_where(Expr::col("emoji").eq(form.as_str()))
                    .to_owned();
                db.execute(&change).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        // What was written in another form is not known any more, and this one was taken as well.
        Ok(())
    }
}

// What pgJDBC does with a server: run by tests/it/postgres/jdbc.rs with the port.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;

public class Jdbc {
    static String url;

    static Connection connect(String... settings) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", "ann");
        for (String setting : settings) {
            String[] pair = setting.split("=", 2);
            properties.setProperty(pair[0], pair[1]);
        }
        return DriverManager.getConnection(url, properties);
    }

    static void same(Object found, Object expected) {
        if (!(expected == null ? found == null : expected.equals(found))) {
            throw new AssertionError("found " + found + ", expected " + expected);
        }
    }

    static void truth(boolean is, String what) {
        if (!is) throw new AssertionError(what);
    }

    /** The rows of a result, columns by `|`. */
    static List<String> rows(ResultSet result) throws SQLException {
        List<String> rows = new ArrayList<>();
        int columns = result.getMetaData().getColumnCount();
        while (result.next()) {
            StringBuilder row = new StringBuilder();
            for (int at = 1; at <= columns; at += 1) row.append(at > 1 ? "|" : "").append(result.getString(at));
            rows.add(row.toString());
        }
        result.close();
        return rows;
    }

    static List<String> ask(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return rows(statement.executeQuery(sql));
        }
    }

    /** Some columns of a result of the metadata. */
    static List<String> picked(ResultSet result, String... names) throws SQLException {
        List<String> rows = new ArrayList<>();
        while (result.next()) {
            List<String> row = new ArrayList<>();
            for (String name : names) row.add(result.getString(name));
            rows.add(String.join("|", row));
        }
        result.close();
        return rows;
    }

    static PSQLException fails(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (PSQLException error) {
            return error;
        }
        throw new AssertionError("no error: " + sql);
    }

    interface Part {
        void run() throws Exception;
    }

    static void part(String name, Part part) throws Exception {
        try {
            part.run();
        } catch (Exception | AssertionError error) {
            throw new AssertionError("in " + name, error);
        }
    }

    public static void main(String[] arguments) throws Exception {
        url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/shop";
        part("simple queries", () -> {
            try (Connection simple = connect("preferQueryMode=simple")) {
                same(ask(simple, "SELECT title, year FROM movies WHERE id = 'm1'"), List.of("Heat|1995"));
                try (PreparedStatement query = simple.prepareStatement("SELECT title FROM movies WHERE id = ? AND year > ?")) {
                    query.setString(1, "m1");
                    query.setInt(2, 1990);
                    same(rows(query.executeQuery()), List.of("Heat"));
                }
                try (Statement several = simple.createStatement()) {
                    truth(several.execute("SELECT 1; SELECT 'two'"), "rows");
                    several.getResultSet().close();
                    truth(several.getMoreResults(), "more rows");
                    same(rows(several.getResultSet()), List.of("two"));
                }
            }
        });
        part("values", () -> values());
        part("prepared statements", () -> prepared());
        part("recommendations", () -> recommends());
        part("batches", () -> batches());
        part("metadata", () -> metadata());
        part("transactions", () -> transactions());
        part("fetching", () -> fetching());
        part("errors", () -> errors());
        part("copy", () -> copies());
        part("cancel", () -> cancels());
        System.out.println("passed");
    }

    /** Each type both ways, as text and in its binary form. */
    static void values() throws SQLException {
        for (String transfer : new String[] {"false", "true"}) {
            // From the first execution on, or never, prepared by the server and in binary forms.
            try (Connection it = connect("binaryTransfer=" + transfer, "prepareThreshold=" + (transfer.equals("true") ? "-1" : "0"))) {
                try (Statement make = it.createStatement()) {
                    make.execute("CREATE TABLE things (id BIGINT PRIMARY KEY, yes BOOL, small INT, part REAL, whole DOUBLE, "
                        + "name TEXT, day DATE, at TIMESTAMP, words TEXT[], look VECTOR(2)) WITH (role = 'item')");
                }
                try (PreparedStatement insert = it.prepareStatement("INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")) {
                    insert.setLong(1, 7);
                    insert.setBoolean(2, true);
                    insert.setInt(3, -3);
                    insert.setFloat(4, 0.25f);
                    insert.setDouble(5, 1e300);
                    insert.setString(6, "x'y \u00fc");
                    insert.setDate(7, Date.valueOf("2020-02-29"));
                    insert.setTimestamp(8, Timestamp.valueOf("2020-02-29 12:00:00.5"));
                    insert.setArray(9, it.createArrayOf("text", new String[] {"a b", "", "\u00fc\"", "NULL"}));
                    PGobject look = new PGobject();
                    look.setType("vector");
                    look.setValue("[0.5,1]");
                    insert.setObject(10, look);
                    same(insert.executeUpdate(), 1);
                    insert.setLong(1, 8);
                    for (int at = 2; at <= 9; at += 1) insert.setNull(at, Types.NULL);
                    insert.setString(10, "[0.25,-1]");
                    same(insert.executeUpdate(), 1);
                    insert.setLong(1, 9);
                    insert.setObject(7, LocalDate.of(1969, 12, 31));
                    insert.setObject(8, LocalDateTime.of(1969, 12, 31, 23, 59, 59));
                    insert.setBigDecimal(5, new BigDecimal("2.5"));
                    insert.setNull(10, Types.OTHER);
                    same(insert.executeUpdate(), 1);
                }
                try (PreparedStatement query = it.prepareStatement("SELECT * FROM things WHERE id >= ? ORDER BY id")) {
                    query.setLong(1, 0);
                    for (int again = 0; again < 7; again += 1) {
                        ResultSet row = query.executeQuery();
                        ResultSetMetaData about = row.getMetaData();
                        same(about.getColumnCount(), 10);
                        same(about.getColumnTypeName(1), "int8");
                        same(about.getColumnType(4), Types.REAL);
                        same(about.getColumnTypeName(9), "_text");
                        same(about.getColumnTypeName(10), "vector");
                        truth(row.next(), "a row");
                        same(row.getLong(1), 7L);
                        same(row.getBoolean("yes"), true);
                        same(row.getInt(3), -3);
                        same(row.getFloat(4), 0.25f);
                        same(row.getDouble(5), 1e300);
                        same(row.getString(6), "x'y \u00fc");
                        same(row.getDate(7), Date.valueOf("2020-02-29"));
                        same(row.getObject(8, LocalDateTime.class), LocalDateTime.of(2020, 2, 29, 12, 0, 0, 500_000_000));
                        same(Arrays.asList((Object[]) row.getArray(9).getArray()), List.of("a b", "", "\u00fc\"", "NULL"));
                        same(row.getString(10), "[0.5,1]");
                        same(((PGobject) row.getObject(10)).getType(), "vector");
                        truth(row.next(), "a second row");
                        same(row.getString(6), null);
                        same(row.getArray(9), null);
                        same(row.getInt(3), 0);
                        truth(row.wasNull(), "NULL");
                        same(row.getString(10), "[0.25,-1]");
                        truth(row.next(), "a third row");
                        same(row.getObject(7, LocalDate.class), LocalDate.of(1969, 12, 31));
                        same(row.getTimestamp(8).toLocalDateTime(), LocalDateTime.of(1969, 12, 31, 23, 59, 59));
                        same(row.getDouble(5), 2.5);
                        truth(!row.next(), "no fourth row");
                    }
                }
                try (PreparedStatement query = it.prepareStatement("SELECT count(*), avg(whole), max(day), sum(small) FROM things WHERE name = ? OR part < ?")) {
                    query.setString(1, "x'y \u00fc");
                    query.setFloat(2, 1f);
                    ResultSet row = query.executeQuery();
                    truth(row.next(), "a row");
                    same(row.getLong(1), 1L);
                    same(row.getDouble(2), 1e300);
                    same(row.getObject(3, LocalDate.class), LocalDate.of(2020, 2, 29));
                    same(row.getBigDecimal(4), new BigDecimal(-3));
                }
                try (Statement drop = it.createStatement()) {
                    drop.execute("DROP TABLE things");
                }
            }
        }
    }

    /** The same statement often enough to be prepared by the server, also while definitions change. */
    static void prepared() throws SQLException {
        try (Connection it = connect(); PreparedStatement query = it.prepareStatement("SELECT title FROM movies WHERE id = ?")) {
            for (int at = 0; at < 12; at += 1) {
                query.setString(1, "m" + (at % 4 + 1));
                same(rows(query.executeQuery()), List.of(List.of("Heat", "Ronin", "Am\u00e9lie", "Thief").get(at % 4)));
            }
            truth(query.unwrap(org.postgresql.PGStatement.class).isUseServerPrepare(), "it is prepared by the server");
            same(query.getParameterMetaData().getParameterCount(), 1);
            same(query.getMetaData().getColumnName(1), "title");
        }
        try (Connection it = connect(); PreparedStatement all = it.prepareStatement("SELECT * FROM people WHERE id = ?")) {
            for (int at = 0; at < 7; at += 1) {
                all.setString(1, "u1");
                same(rows(all.executeQuery()), List.of("u1|NO"));
            }
            try (Statement change = it.createStatement()) {
                change.execute("ALTER TABLE people ADD COLUMN age INT");
            }
            // What was prepared has other columns by now: the driver prepares it again.
            all.setString(1, "u1");
            same(rows(all.executeQuery()), List.of("u1|NO|null"));
            try (Statement change = it.createStatement()) {
                change.execute("ALTER TABLE people DROP COLUMN age");
            }
            same(rows(all.executeQuery()), List.of("u1|NO"));
        }
        try (Connection it = connect(); PreparedStatement update = it.prepareStatement("UPDATE people SET country = ? WHERE id = ?")) {
            for (int at = 0; at < 7; at += 1) {
                update.setString(1, at % 2 == 0 ? "DK" : null);
                update.setString(2, "u3");
                same(update.executeUpdate(), 1);
            }
            update.setString(1, "NO");
            update.setString(2, "nobody");
            same(update.executeUpdate(), 0);
            update.setString(2, "u3");
            same(update.executeUpdate(), 1);
        }
    }

    static void recommends() throws SQLException {
        try (Connection it = connect(); PreparedStatement ask = it.prepareStatement("RECOMMEND id, title, score FROM movies FOR USER ? WHERE year > ? LIMIT ?")) {
            for (int at = 0; at < 8; at += 1) {
                ask.setString(1, "u1");
                ask.setInt(2, 2000);
                ask.setInt(3, 1);
                ResultSet row = ask.executeQuery();
                truth(row.next(), "a row");
                same(row.getString("id"), "m3");
                same(row.getString("title"), "Am\u00e9lie");
                truth(row.getDouble("score") > 0, "a score");
                truth(!row.next(), "one row");
            }
            try (PreparedStatement join = it.prepareStatement("SELECT r.id FROM recommend('movies', user => ?, k => ?) r ORDER BY r.id")) {
                join.setString(1, "u1");
                join.setLong(2, 2);
                same(rows(join.executeQuery()), List.of("m3", "m4"));
            }
            same(ask(it, "SELECT name FROM models"), List.of("taste"));
            try (Statement train = it.createStatement()) {
                train.execute("TRAIN MODEL taste");
                truth(train.getWarnings() != null && train.getWarnings().getMessage().contains("taste"), "a remark");
            }
        }
    }

    static void batches() throws SQLException {
        for (String rewrite : new String[] {"false", "true"}) {
            try (Connection it = connect("reWriteBatchedInserts=" + rewrite)) {
                try (PreparedStatement insert = it.prepareStatement("INSERT INTO people (id, country) VALUES (?, ?)")) {
                    for (int at = 0; at < 50; at += 1) {
                        insert.setString(1, "b" + at);
                        insert.setString(2, at % 2 == 0 ? "NO" : null);
                        insert.addBatch();
                    }
                    same(insert.executeBatch().length, 50);
                }
                same(ask(it, "SELECT count(*), count(country) FROM people WHERE id LIKE 'b%'"), List.of("50|25"));
                try (Statement several = it.createStatement()) {
                    several.addBatch("DELETE FROM people WHERE id = 'b1'");
                    several.addBatch("DELETE FROM people WHERE id LIKE 'b%'");
                    same(Arrays.toString(several.executeBatch()), "[1, 49]");
                }
                try (PreparedStatement insert = it.prepareStatement("INSERT INTO people (id) VALUES (?)")) {
                    for (String key : new String[] {"c1", "u1", "c2"}) {
                        insert.setString(1, key);
                        insert.addBatch();
                    }
                    insert.executeBatch();
                    throw new AssertionError("a key twice");
                } catch (BatchUpdateException error) {
                    same(error.getSQLState(), "23505");
                }
                try (Statement clean = it.createStatement()) {
                    clean.executeUpdate("DELETE FROM people WHERE id LIKE 'c%'");
                }
                try (PreparedStatement insert = it.prepareStatement("INSERT INTO people (id) VALUES (?)", new String[] {"id", "country"})) {
                    insert.setString(1, "k1");
                    same(insert.executeUpdate(), 1);
                    ResultSet keys = insert.getGeneratedKeys();
                    truth(keys.next(), "what was written");
                    same(keys.getString("id"), "k1");
                }
                try (PreparedStatement delete = it.prepareStatement("DELETE FROM people WHERE id = ? RETURNING id, country")) {
                    delete.setString(1, "k1");
                    same(rows(delete.executeQuery()), List.of("k1|null"));
                }
            }
        }
    }

    static void metadata() throws SQLException {
        try (Connection it = connect()) {
            DatabaseMetaData about = it.getMetaData();
            same(about.getDatabaseProductName(), "PostgreSQL");
            same(about.getDatabaseMajorVersion(), 15);
            same(it.getCatalog(), "shop");
            same(it.getSchema(), "public");
            same(picked(about.getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME", "TABLE_TYPE"),
                List.of("likes|TABLE", "movies|TABLE", "people|TABLE"));
            truth(picked(about.getTables(null, null, "mod%", null), "TABLE_NAME", "TABLE_TYPE").contains("models|VIEW"), "views");
            truth(picked(about.getSchemas(), "TABLE_SCHEM").contains("public"), "schemas");
            same(picked(about.getCatalogs(), "TABLE_CAT"), List.of("shop"));
            truth(picked(about.getTableTypes(), "TABLE_TYPE").contains("TABLE"), "kinds of tables");
            same(picked(about.getColumns(null, "public", "movies", "%"), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "NULLABLE", "ORDINAL_POSITION"),
                List.of("id|12|text|0|1", "title|12|text|1|2", "year|4|int4|1|3", "stock|4|int4|1|4", "genres|2003|_text|1|5", "look|1111|vector|1|6"));
            same(picked(about.getColumns(null, null, "likes", "at"), "COLUMN_NAME", "DATA_TYPE", "IS_NULLABLE"), List.of("at|93|YES"));
            same(picked(about.getPrimaryKeys(null, "public", "movies"), "TABLE_NAME", "COLUMN_NAME", "KEY_SEQ", "PK_NAME"),
                List.of("movies|id|1|movies_pkey"));
            same(picked(about.getPrimaryKeys(null, null, "likes"), "COLUMN_NAME"), List.of());
            same(picked(about.getImportedKeys(null, null, "likes"), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKCOLUMN_NAME", "FK_NAME"),
                List.of("movies|id|item_id|likes_item_id_fkey", "people|id|user_id|likes_user_id_fkey"));
            same(picked(about.getExportedKeys(null, null, "people"), "FKTABLE_NAME", "FKCOLUMN_NAME"), List.of("likes|user_id"));
            same(picked(about.getIndexInfo(null, "public", "movies", false, false), "INDEX_NAME", "COLUMN_NAME", "NON_UNIQUE"),
                List.of("movies_pkey|id|f"));
            same(picked(about.getBestRowIdentifier(null, null, "movies", DatabaseMetaData.bestRowSession, false), "COLUMN_NAME", "TYPE_NAME"),
                List.of("id|text"));
            TreeSet<String> types = new TreeSet<>(picked(about.getTypeInfo(), "TYPE_NAME"));
            truth(types.containsAll(List.of("bool", "int4", "int8", "float4", "float8", "text", "date", "timestamp", "vector", "_text")), "types: " + types);
            same(picked(about.getFunctions(null, null, "%"), "FUNCTION_NAME"), List.of());
            same(picked(about.getProcedures(null, null, "%"), "PROCEDURE_NAME"), List.of());
            truth(about.getUserName().equals("ann") && !about.isReadOnly(), "who is there");
            about.getTablePrivileges(null, "public", "movies").close();
            about.getColumnPrivileges(null, "public", "movies", "%").close();
            about.getUDTs(null, null, "%", null).close();
            truth(it.isValid(5), "it is valid");
        }
    }

    static void transactions() throws SQLException {
        try (Connection it = connect(); Connection other = connect()) {
            it.setAutoCommit(false);
            same(it.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED);
            try (Statement write = it.createStatement()) {
                same(write.executeUpdate("INSERT INTO people VALUES ('t1', 'NO')"), 1);
                same(ask(other, "SELECT id FROM people WHERE id = 't1'"), List.of());
                Savepoint before = it.setSavepoint();
                try {
                    write.executeUpdate("INSERT INTO people VALUES ('t1', 'NO')");
                    throw new AssertionError("a key twice");
                } catch (PSQLException error) {
                    same(error.getSQLState(), "23505");
                }
                it.rollback(before);
                it.releaseSavepoint(before);
                it.commit();
                same(ask(other, "SELECT id FROM people WHERE id = 't1'"), List.of("t1"));
                write.executeUpdate("DELETE FROM people WHERE id = 't1'");
                it.rollback();
                same(ask(it, "SELECT id FROM people WHERE id = 't1'"), List.of("t1"));
                it.commit();
                it.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                write.executeUpdate("DELETE FROM people WHERE id = 't1'");
                it.commit();
            }
            it.setAutoCommit(true);
            same(ask(it, "SELECT count(*) FROM people"), List.of("3"));
        }
        // What fails inside a transaction is undone by the driver alone, where it is asked to.
        try (Connection it = connect("autosave=always")) {
            it.setAutoCommit(false);
            fails(it, "INSERT INTO people VALUES ('u1', 'NO')");
            same(ask(it, "SELECT count(*) FROM people"), List.of("3"));
            it.commit();
        }
    }

    /** Rows in parts, through a portal that stays open between them. */
    static void fetching() throws SQLException {
        try (Connection it = connect()) {
            it.setAutoCommit(false);
            try (PreparedStatement query = it.prepareStatement("SELECT n, 'row ' || n AS name FROM (SELECT unnest(range(1, ?)) AS n) t ORDER BY n")) {
                query.setFetchSize(100);
                for (int again = 0; again < 7; again += 1) {
                    query.setInt(1, 1001);
                    ResultSet row = query.executeQuery();
                    int count = 0;
                    while (row.next()) {
                        count += 1;
                        same(row.getInt(1), count);
                        same(row.getString(2), "row " + count);
                        // Another statement between two parts.
                        if (count == 150) same(ask(it, "SELECT 1"), List.of("1"));
                    }
                    same(count, 1000);
                }
                query.setMaxRows(7);
                same(rows(query.executeQuery()).size(), 7);
            }
            it.commit();
        }
    }

    static void errors() throws SQLException {
        try (Connection it = connect()) {
            PSQLException error = fails(it, "SELECT id\nFROM moveis");
            same(error.getSQLState(), "42P01");
            same(error.getServerErrorMessage().getDetail(), "TasteDB error TD0201");
            same(error.getServerErrorMessage().getPosition(), 16);
            truth(error.getMessage().contains("movies"), error.getMessage());
            error = fails(it, "SELECT titel FROM movies");
            same(error.getSQLState(), "42703");
            same(error.getServerErrorMessage().getPosition(), 8);
            same(fails(it, "SELEC 1").getSQLState(), "42601");
            error = fails(it, "INSERT INTO people VALUES ('u1', 'NO')");
            same(error.getSQLState(), "23505");
            same(error.getServerErrorMessage().getDetail(), "TasteDB error TD0306");
            try (PreparedStatement wrong = it.prepareStatement("SELECT id FROM movies WHERE year > ?")) {
                wrong.setString(1, "not a year");
                wrong.executeQuery();
                throw new AssertionError("no number");
            } catch (PSQLException refused) {
                truth(refused.getSQLState().startsWith("22") || refused.getSQLState().startsWith("42"), refused.getSQLState());
            }
            same(ask(it, "SELECT 1"), List.of("1"));
        }
        try (Connection it = connect("user=ann", "ApplicationName=tests", "options=-c statement_timeout=200")) {
            same(it.getClientInfo("ApplicationName"), "tests");
            same(fails(it, ENDLESS).getSQLState(), "57014");
        }
    }

    static void copies() throws Exception {
        try (Connection it = connect()) {
            CopyManager copy = it.unwrap(PGConnection.class).getCopyAPI();
            same(copy.copyIn("COPY people (id, country) FROM STDIN", new StringReader("c1\tNO\nc2\t\\N\n")), 2L);
            same(copy.copyIn("COPY people FROM STDIN WITH (FORMAT csv, HEADER)", new StringReader("id,country\nc3,\"a,b\"\n")), 1L);
            StringWriter out = new StringWriter();
            same(copy.copyOut("COPY (SELECT id, country FROM people WHERE id LIKE 'c%' ORDER BY id) TO STDOUT", out), 3L);
            same(out.toString(), "c1\tNO\nc2\t\\N\nc3\ta,b\n");
            try {
                copy.copyIn("COPY people FROM STDIN", new StringReader("d1\tNO\nd1\tNO\ttoo much\n"));
                throw new AssertionError("a row too long");
            } catch (PSQLException error) {
                truth(error.getServerErrorMessage() != null, "it is the server's: " + error);
            }
            same(ask(it, "SELECT count(*) FROM people WHERE id LIKE 'd%'"), List.of("0"));
            try (Statement clean = it.createStatement()) {
                same(clean.executeUpdate("DELETE FROM people WHERE id LIKE 'c%'"), 3);
            }
        }
    }

    static final String ENDLESS = "SELECT count(*) FROM (SELECT unnest(range(1, 2000000)) AS a) a, "
        + "(SELECT unnest(range(1, 2000000)) AS b) b WHERE a.a % 7 = b.b % 5";

    static void cancels() throws Exception {
        try (Connection it = connect(); Statement long_ = it.createStatement()) {
            Thread stop = new Thread(() -> {
                try {
                    Thread.sleep(300);
                    long_.cancel();
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
            });
            stop.start();
            long began = System.nanoTime();
            try {
                long_.executeQuery(ENDLESS);
                throw new AssertionError("not cancelled");
            } catch (PSQLException error) {
                same(error.getSQLState(), "57014");
            }
            stop.join();
            truth(System.nanoTime() - began < 20_000_000_000L, "it was cancelled at once");
            same(ask(it, "SELECT 1"), List.of("1"));
            long_.setQueryTimeout(1);
            try {
                long_.executeQuery(ENDLESS);
                throw new AssertionError("not cancelled");
            } catch (PSQLException error) {
                same(error.getSQLState(), "57014");
            }
            same(ask(it, "SELECT 1"), List.of("1"));
        }
    }
}

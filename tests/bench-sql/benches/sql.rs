//! `cargo bench -p tower-keep-bench-sql [-- --quick] [postgres|mariadb|sqlite]`

fn main() {
    tower_keep_bench_sql::main();
}

//! `cargo bench -p tower-keep-bench-redis [-- --quick]`

fn main() {
    tower_keep_bench_redis::main();
}

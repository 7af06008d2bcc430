#include "cli/run.h"
#include "duckdb/worker.h"

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "_worker") return duckback::run_worker();
  return duckback::run_backup_duckdb(argc, argv);
}

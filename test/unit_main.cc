#include <gmock/gmock.h>

#include <string_view>

#include "duckdb/worker.h"

// The duckdb layer starts the running program again for its worker.
int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "_worker") return duckback::run_worker();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}

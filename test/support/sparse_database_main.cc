// sparse_database PATH BLOCKS BLOCK_BYTES USED DISTINCT FILLED [CHANGE ROUND]
// Makes such a database (test/support/sparse_database.h), or changes so many blocks of one.

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "test/support/sparse_database.h"

int main(int argc, char** argv) {
  if (argc != 7 && argc != 9) {
    std::fputs(
        "usage: sparse_database PATH BLOCKS BLOCK_BYTES USED DISTINCT FILLED [CHANGE ROUND]\n",
        stderr);
    return 2;
  }
  auto number = [&](int n) { return std::strtoull(argv[n], nullptr, 10); };
  duckback::test::SparseDatabase database{.blocks = number(2),
                                          .block_bytes = static_cast<std::uint32_t>(number(3)),
                                          .used = number(4),
                                          .distinct = number(5),
                                          .filled_bytes = static_cast<std::uint32_t>(number(6))};
  try {
    if (argc == 7) {
      database.write(argv[1]);
    } else {
      change_blocks(database, argv[1], number(7), number(8));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sparse_database: %s\n", error.what());
    return 1;
  }
  return 0;
}

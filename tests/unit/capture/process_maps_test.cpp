// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/process_maps.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "userspace/capture/process_sockets.h"
#include "userspace/capture/usual_places.h"

using namespace llmtap;

TEST_CASE("maps: lines of proc_pid_maps(5)", "[unit]") {
  struct Case {
    const char* name;
    const char* text;
    std::vector<std::string> paths;
  };
  const Case cases[] = {
      {"empty", "", {}},
      {"executable", "55d0-55f0 r-xp 00001000 08:01 42   /usr/bin/a b\n", {"/usr/bin/a b"}},
      {"not executable", "55d0-55f0 r--p 00001000 08:01 42   /usr/bin/a\n", {}},
      {"anonymous", "55d0-55f0 r-xp 00000000 00:00 0 \n", {}},
      {"vdso", "7ffd-7fff r-xp 00000000 00:00 0      [vdso]\n", {}},
      {"deleted", "1000-2000 r-xp 0 fe:01 7 /tmp/x.so (deleted)\n", {"/tmp/x.so (deleted)"}},
      {"twice the same file",
       "1000-2000 r-xp 0 fe:01 7 /a\n3000-4000 r-xp 2000 fe:01 7 /a\n4000-5000 r-xp 0 fe:01 8 /b",
       {"/a", "/b"}},
      {"damaged", "1000-\nzz\n1000-2000 r-xp 0 fe:01\n1000-2000\n-- -- --\n", {}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) {
      std::vector<std::string> paths;
      for (const auto& mapping : parse_executable_maps(c.text)) paths.push_back(mapping.path);
      CHECK(paths == c.paths);
    }
  }
  const auto one = parse_executable_maps("1000-2a00 r-xp 00001000 fe:1f 77 /x\n");
  REQUIRE(one.size() == 1);
  CHECK(one[0].begin == 0x1000);
  CHECK(one[0].end == 0x2a00);
  CHECK(one[0].file == MappedInode{0xfe, 0x1f, 77, 0});
}

TEST_CASE("maps: this process", "[unit]") {
  const auto mappings = executable_maps(getpid());
  REQUIRE(mappings.size() > 3);  // itself, libc, libstdc++, ld.so
  CHECK(mappings[0].path == process_link(getpid(), "exe"));
  for (const auto& mapping : mappings) CHECK(open_mapped(getpid(), mapping));
  CHECK(executable_maps(0).empty());
}

// What is read of a process that ends meanwhile is nothing, or a part; never an exception.
TEST_CASE("maps: processes that end while they are read", "[unit]") {
  std::atomic<pid_t> newest{getpid()};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const pid_t pid = newest;
        static_cast<void>(executable_maps(pid));
        static_cast<void>(https_connections(pid));
        static_cast<void>(read_proc(pid, "cmdline", 100));
        static_cast<void>(process_link(pid, "exe"));
        static_cast<void>(process_has_threads(pid));
        static_cast<void>(root_identity(pid, "/"));
      }
    });
  }
  for (int i = 0; i < 1500; ++i) {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    newest = pid;
    waitpid(pid, nullptr, 0);
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(executable_maps(newest).empty());
}

TEST_CASE("maps: no more is read than is wanted", "[unit]") {
  CHECK(read_proc(getpid(), "comm", 100) == "test_unit_captu\n");
  CHECK(read_proc(getpid(), "maps", 1).size() <= 16384);
  CHECK(read_proc(getpid(), "nothing", 100).empty());
  CHECK(read_proc(getpid(), "task", 100).empty());  // a directory
}

// A container may have made a device node under a library's name: opening it can have effects.
TEST_CASE("places: only regular files are opened", "[unit]") {
  char name[] = "/tmp/llmtap-root-XXXXXX";
  const std::string root = mkdtemp(name);
  std::filesystem::create_directories(root + "/usr/lib");
  const std::string fifo = root + "/usr/lib/libssl.so.1", good = root + "/usr/lib/libssl.so.3";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  std::ofstream(good) << "library";
  const Fd notify(inotify_init1(IN_NONBLOCK));
  const int of_fifo = inotify_add_watch(notify.get(), fifo.c_str(), IN_OPEN);
  const int of_good = inotify_add_watch(notify.get(), good.c_str(), IN_OPEN);
  REQUIRE((of_fifo >= 0 && of_good >= 0));
  std::vector<std::string> seen;
  visit_usual_places(root, {}, [&](Fd, const std::string& path) { seen.push_back(path); });
  CHECK(seen == std::vector<std::string>{"/usr/lib/libssl.so.3"});
  CHECK_FALSE(open_regular(fifo));
  CHECK_FALSE(open_regular("/dev/zero"));
  inotify_event event;
  int opened = 0;
  while (read(notify.get(), &event, sizeof(event)) == sizeof(event)) {
    CHECK(event.wd == of_good);
    ++opened;
  }
  CHECK(opened > 0);
  std::filesystem::remove_all(root);
}

TEST_CASE("sockets: established ones with port 443 on either end", "[unit]") {
  struct Case {
    const char* name;
    const char* line;
    std::set<std::uint64_t> inodes;
  };
  const Case cases[] = {
      {"header",
       "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
       "inode\n",
       {}},
      {"client",
       "   0: 0100007F:9C40 0200007F:01BB 01 00000000:00000000 00:00000000 00000000  0 0 4711 1 "
       "x\n",
       {4711}},
      {"server",
       "   0: 0100007F:01BB 0200007F:9C40 01 00000000:00000000 00:00000000 00000000  0 0 12 1 x\n",
       {12}},
      {"listening",
       "   0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 13 1 x\n",
       {}},
      {"another port",
       "   0: 0100007F:1F90 0200007F:9C40 01 00000000:00000000 00:00000000 00000000  0 0 14 1 x\n",
       {}},
      {"IPv6",
       "   1: 00000000000000000000000001000000:9C40 00000000000000000000000001000000:01BB 01 0:0 "
       "0:0 0 0 0 15 1",
       {15}},
      {"cut off", "   0: 0100007F:9C40 0200007F:01BB 01 0:0", {}},
      {"empty", "", {}},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(https_sockets(c.line) == c.inodes); }
  }
  CHECK(https_connections(getpid()) == 0);
}

#include "binding/args.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace grpo {
namespace {

// mapFile(path): ArrayBuffer over the file's bytes, private to the process (writes do not reach the file); unmapped when collected.
// Throws Error with code GRPO_FILE and the system's message.
Napi::Value map_file(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const auto fail = [&](const char* what) {
    Napi::Error error = Napi::Error::New(info.Env(), std::string(what) + ": " + std::strerror(errno));
    error.Value().Set("code", "GRPO_FILE");
    return error;
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw fail("open");
  struct stat st;
  if (fstat(fd, &st) != 0) {
    close(fd);
    throw fail("stat");
  }
  const std::size_t bytes = static_cast<std::size_t>(st.st_size);
  if (bytes == 0) {
    close(fd);
    return Napi::ArrayBuffer::New(info.Env(), 0);
  }
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  const int error = errno;
  close(fd);
  errno = error;
  if (data == MAP_FAILED) throw fail("mmap");
  return Napi::ArrayBuffer::New(info.Env(), data, bytes, [bytes](Napi::Env, void* p) { munmap(p, bytes); });
}

}  // namespace

void register_mapped_file(Napi::Env env, Napi::Object exports) { expose(env, exports, "mapFile", map_file); }

}  // namespace grpo

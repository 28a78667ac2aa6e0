using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>libc calls that start other programs and learn of their end. No policy: callers check results; those of posix_spawn(3) are error numbers themselves.</summary>
internal static unsafe partial class Libc
{
    /// <summary>POSIX_SPAWN_SETSIGDEF, POSIX_SPAWN_SETSIGMASK and, of glibc, POSIX_SPAWN_SETSID.</summary>
    internal const short SpawnDefaultSignals = 4, SpawnSignalMask = 8, SpawnSession = 0x80;

    /// <summary>More than posix_spawnattr_t (336 bytes), posix_spawn_file_actions_t (80) and sigset_t (128) have in glibc.</summary>
    internal const int SpawnStructureBytes = 512;

    /// <summary>WNOHANG of waitpid(2).</summary>
    internal const int WaitNoHang = 1;

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    internal static partial int Spawn(int* process, byte* path, void* actions, void* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    internal static partial int SpawnAttributes(void* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    internal static partial int SpawnSetFlags(void* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    internal static partial int SpawnSetDefaultSignals(void* attributes, void* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    internal static partial int SpawnSetSignalMask(void* attributes, void* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    internal static partial int SpawnFreeAttributes(void* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    internal static partial int SpawnActions(void* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    internal static partial int SpawnDuplicate(void* actions, int from, int to);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    internal static partial int SpawnFreeActions(void* actions);

    [LibraryImport("libc", EntryPoint = "sigfillset")]
    internal static partial int FillSignals(void* signals);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    internal static partial int SendSignal(int process, int signal);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    internal static partial int WaitForProcess(int process, int* status, int options);
}

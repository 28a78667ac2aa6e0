using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>struct termios as glibc lays it out (termios(3)).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Termios
{
    internal uint InputFlags;
    internal uint OutputFlags;
    internal uint ControlFlags;
    internal uint LocalFlags;
    internal byte LineDiscipline;
    internal ControlCharacters Control;
    internal uint InputSpeed;
    internal uint OutputSpeed;

    /// <summary>c_cc.</summary>
    [InlineArray(32)]
    internal struct ControlCharacters
    {
        private byte _first;
    }
}

/// <summary>libc calls on terminals. No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const int TcsaNow = 0, TcsaDrain = 1;

    /// <summary>OPOST, of the output flags.</summary>
    internal const uint OutputProcessing = 1;

    [LibraryImport("libc", EntryPoint = "isatty", SetLastError = true)]
    internal static partial int IsTerminal(int fd);

    [LibraryImport("libc", EntryPoint = "tcgetattr", SetLastError = true)]
    internal static partial int GetAttributes(int fd, Termios* attributes);

    [LibraryImport("libc", EntryPoint = "tcsetattr", SetLastError = true)]
    internal static partial int SetAttributes(int fd, int when, Termios* attributes);

    /// <summary>Sets the flags of raw mode in the structure only.</summary>
    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    internal static partial void MakeRaw(Termios* attributes);
}

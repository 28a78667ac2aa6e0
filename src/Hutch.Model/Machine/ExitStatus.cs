namespace Hutch.Model.Machine;

/// <summary>
/// What the VM process and <c>hutch run</c> return: the one list, for the code and for the documentation. A guest with the
/// debug-exit device chooses its own status, always odd; only where that device is absent is every status below unambiguous.
/// </summary>
public static class ExitStatus
{
    /// <summary>The guest switched itself off, or reset the machine under <c>--no-reboot</c>.</summary>
    public const int PoweredOff = 0;

    /// <summary>The machine could not be built from its configuration: a file, a size or a name is wrong. Nothing of the guest ran.</summary>
    public const int BadConfiguration = 1;

    /// <summary>The command line was not understood.</summary>
    public const int Usage = 2;

    /// <summary>The CPU engine could not go on with the guest; the message says why.</summary>
    public const int GuestFailed = 3;

    /// <summary>A defect in the program itself; the message carries its trace.</summary>
    public const int InternalError = 4;

    /// <summary>The user left with Ctrl-], which ends the machine as pulling the plug does. SIGINT has the same status.</summary>
    public const int UserLeft = 130;

    /// <summary>A signal ended the process in order: 128 plus its number, as shells report it (129 SIGHUP, 130 SIGINT, 131 SIGQUIT, 143 SIGTERM).</summary>
    /// <param name="signal">Signal number, 1 to 64.</param>
    public static int FromSignal(int signal) => 128 + signal;

    /// <summary>The guest wrote <paramref name="value"/> to debug-exit: <c>(value &lt;&lt; 1) | 1</c>, of which a process status keeps eight bits.</summary>
    public static int FromDebugExit(uint value) => (int)(((value << 1) | 1) & 0xff);
}

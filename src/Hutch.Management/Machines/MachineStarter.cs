using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipes;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Linux;
using Hutch.Host.Memory;
using Hutch.Host.Processes;
using Hutch.Model.Machine;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Management.Machines;

/// <summary>Starts <c>hutch-vmm</c>.</summary>
public sealed class MachineStarter : IMachineStarter, IDisposable
{
    private const string Ready = "ready";
    private const int LongestSentence = 4096;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _program;
    private readonly List<int> _started = [];
    private readonly PosixSignalRegistration _children;

    /// <param name="program">Path of the program.</param>
    public MachineStarter(string program)
    {
        _program = program;
        _children = PosixSignalRegistration.Create(PosixSignal.SIGCHLD, _ => Forget());
    }

    /// <summary>The program beside this one, as they are installed.</summary>
    public static string UsualProgram => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "vmm", "hutch-vmm"));

    /// <inheritdoc/>
    public async ValueTask<int> StartAsync(MachineDefinition definition, bool isPaused, string log, CancellationToken cancellation)
    {
        if (!File.Exists(_program)) throw new ManagementException(FailureKind.HostFailed, $"the VM program {_program} is missing; install it, or name it with --vmm");
        using AnonymousPipeServerStream answer = new(PipeDirection.In);
        int process = Spawn(definition, isPaused, log, answer);
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        string said;
        try
        {
            said = await ReadAsync(answer, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            DetachedProcess.Kill(process);
            cancellation.ThrowIfCancellationRequested();
            throw new ManagementException(FailureKind.NoAnswer, $"the machine '{definition.Name}' did not start within {Patience.TotalSeconds} seconds and was ended; {log} has what it said");
        }
        if (said == Ready) return process;
        throw new ManagementException(FailureKind.Refused, said.Length != 0 ? said : $"the machine '{definition.Name}' ended before it ran; {log} has what it said");
    }

    /// <inheritdoc/>
    public void Kill(int process) => DetachedProcess.Kill(process);

    /// <inheritdoc/>
    public void Dispose() => _children.Dispose();

    // The kernel keeps a child that has ended until its parent took note of it.
    private void Forget()
    {
        lock (_started) _started.RemoveAll(static process => DetachedProcess.TryReap(process));
    }

    private int Spawn(MachineDefinition definition, bool isPaused, string log, AnonymousPipeServerStream answer)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(log)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            using SafeFileHandle output = File.OpenHandle(log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
            using SafeFileHandle file = MemoryFile.Create("machine", MachineWriter.Write(definition));
            using SafeFileHandle end = new(answer.ClientSafePipeHandle.DangerousGetHandle(), ownsHandle: false);
            string[] arguments = [_program, "--ready-fd", "{0}", "--definition-fd", "{1}", .. isPaused ? (ReadOnlySpan<string>)["--paused"] : []];
            int process = DetachedProcess.Start(_program, arguments, Variables(), output, end, file);
            lock (_started) _started.Add(process);
            // It may have ended before it was in the list.
            Forget();
            return process;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new ManagementException(FailureKind.HostFailed, $"the machine '{definition.Name}' cannot be started: {refused.Message}");
        }
        finally
        {
            answer.DisposeLocalCopyOfClientHandle();
        }
    }

    private static async Task<string> ReadAsync(Stream answer, CancellationToken cancellation)
    {
        byte[] text = new byte[LongestSentence];
        int length = await answer.ReadAtLeastAsync(text, text.Length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
        return Encoding.UTF8.GetString(text, 0, length).TrimEnd('\n');
    }

    private static Dictionary<string, string> Variables()
    {
        Dictionary<string, string> variables = [];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables()) variables[(string)variable.Key] = (string)variable.Value!;
        // No diagnostic server in the VM process: three threads less, and no sockets that kill -9 would leave in /tmp.
        variables["DOTNET_EnableDiagnostics"] = "0";
        variables.Remove("NOTIFY_SOCKET");
        if (RuntimeFeature.IsDynamicCodeSupported) variables["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return variables;
    }
}

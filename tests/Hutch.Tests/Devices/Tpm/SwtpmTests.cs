using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading;
using Hutch.Devices;
using Hutch.Devices.Tpm;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Tpm;

/// <summary>The requests of swtpm's control channel (swtpm, include/swtpm/tpm_ioctl.h), with a stand-in for it and with itself.</summary>
public sealed class SwtpmTests : IDisposable
{
    private const int Patience = 20_000;

    private static readonly byte[] Startup = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0];

    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-tpm-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At => Path.Combine(_folder, "socket");

    private ITpm Open() => Swtpm.Open(new TpmCrbConfig("tpm0", At));

    private static byte[] Execute(ITpm tpm, params byte[] command)
    {
        byte[] response = new byte[3968];
        Assert.True(tpm.Send(command));
        return response[..tpm.Receive(response, Patience)];
    }

    // tpm_ioctl.h: PTM_GET_CAPABILITY 1, PTM_SET_DATAFD 16, PTM_STOP 14, PTM_SET_BUFFERSIZE 17, PTM_INIT 2, PTM_SET_LOCALITY 5, PTM_GET_TPMESTABLISHED 4, PTM_SHUTDOWN 3.
    [Fact]
    public void It_is_connected_started_and_ended_with_the_machine()
    {
        using FakeSwtpm server = new(At);
        using (ITpm tpm = Open())
        {
            Assert.True(tpm.Start());
            Assert.False(tpm.IsEstablished);
            Assert.Equal([0x80, 0x01, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0x01, 0x44], Execute(tpm, Startup));
            Assert.Null(tpm.Trouble);
        }
        Assert.True(server.WaitForEnd());
        Assert.Equal([(1u, 0u), (16u, 0u), (14u, 0u), (17u, 3968u), (2u, 0u), (5u, 0u), (4u, 0u), (3u, 0u)], server.Requests);
    }

    [Fact]
    public void One_that_no_machine_used_is_left_alone()
    {
        using FakeSwtpm server = new(At);
        Open().Dispose();
        Assert.True(server.WaitForEnd());
        Assert.DoesNotContain(server.Requests, request => request.Command == 3);
    }

    // PTM_GET_STATEBLOB 12, PTM_SET_STATEBLOB 13; PTM_INIT_FLAG_DELETE_VOLATILE 1.
    [Fact]
    public void Its_state_moves_to_another()
    {
        using FakeSwtpm server = new(At);
        using ITpm tpm = Open();
        Assert.True(tpm.Start());
        IReadOnlyList<TpmBlob> state = tpm.Save(out _)!;
        Assert.Equal([[1, 2, 3], [4], []], state.Select(blob => blob.Bytes));
        Assert.True(tpm.Restore([new TpmBlob(0, [9, 9]), new TpmBlob(0, [8]), new TpmBlob(0, [])]));
        Assert.Equal([[9, 9], [8], []], server.State);
        Assert.Equal([(12u, 1u), (12u, 2u), (12u, 3u), (14u, 0u), (13u, 1u), (13u, 2u), (17u, 3968u), (2u, 1u), (5u, 0u), (4u, 0u)], server.Requests.Skip(7));
    }

    // PTM_CANCEL_TPM_CMD 9: nobody waits for the answers, which lie before that of the next request.
    [Fact]
    public void Answers_to_cancellations_are_skipped()
    {
        using FakeSwtpm server = new(At);
        using ITpm tpm = Open();
        Assert.True(tpm.Start());
        for (int i = 0; i < 1000; i++) tpm.Cancel();
        Assert.Equal(14, Execute(tpm, Startup).Length);
        tpm.Cancel();
        Assert.Equal(3, tpm.Save(out _)!.Count);
        Assert.InRange(server.Requests.Count(request => request.Command == 9), 1, 129);
    }

    [Fact]
    public void One_that_ends_under_the_machine_is_trouble()
    {
        using FakeSwtpm server = new(At);
        using ITpm tpm = Open();
        Assert.True(tpm.Start());
        server.Break();
        byte[] response = new byte[3968];
        if (tpm.Send(Startup)) Assert.Equal(0, tpm.Receive(response, Patience));
        Assert.StartsWith($"swtpm at {At} ", tpm.Trouble, StringComparison.Ordinal);
        Assert.False(tpm.Start());
        Assert.Null(tpm.Save(out string why));
        Assert.Equal(tpm.Trouble, why);
    }

    [Fact]
    public void What_cannot_be_used_is_refused_with_the_mend()
    {
        Assert.Contains("start it first: swtpm socket --tpm2", Assert.Throws<ConfigException>(Open).Message, StringComparison.Ordinal);
        using FakeSwtpm server = new(At) { IsTpm12 = true };
        Assert.Contains("is a TPM 1.2; start it with --tpm2", Assert.Throws<ConfigException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_without_a_state_to_give_is_used_but_not_saved()
    {
        using FakeSwtpm server = new(At) { Capabilities = 0xfcff };
        using ITpm tpm = Open();
        Assert.True(tpm.Start());
        Assert.Null(tpm.Save(out string why));
        Assert.Contains("does not give it; install a later version", why, StringComparison.Ordinal);
        Assert.Equal(14, Execute(tpm, Startup).Length);
    }

    [Fact]
    public void One_that_can_too_little_is_refused()
    {
        using FakeSwtpm server = new(At) { Capabilities = 0x3fe };
        Assert.Contains("lacks abilities (it has 0x3fe of 0x340f)", Assert.Throws<ConfigException>(Open).Message, StringComparison.Ordinal);
    }

    // TPM2_PCR_Extend and TPM2_PCR_Read of PCR 16 (TPM 2.0 Part 3 §22.2, §22.4): it is zeros until something is extended into it.
    [SwtpmFact]
    public void The_real_one_keeps_its_registers_where_its_state_goes()
    {
        byte[] extend = [0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, 16, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 11, .. new byte[32]];
        byte[] read = [0x80, 0x01, 0, 0, 0, 20, 0, 0, 0x01, 0x7e, 0, 0, 0, 1, 0, 11, 3, 0, 0, 1];
        IReadOnlyList<TpmBlob> state;
        byte[] value;
        SwtpmFactAttribute.Run(At, _folder);
        using (ITpm first = Open())
        {
            Assert.True(first.Start());
            Assert.Equal([0, 0, 0, 0], Execute(first, Startup)[6..10]);
            Assert.Equal(new byte[32], Execute(first, read)[^32..]);
            Assert.Equal([0, 0, 0, 0], Execute(first, extend)[6..10]);
            value = Execute(first, read)[^32..];
            Assert.NotEqual(new byte[32], value);
            state = first.Save(out string why) ?? throw new InvalidOperationException(why);
        }
        // It removes its socket when it has answered.
        Assert.True(SpinWait.SpinUntil(() => !File.Exists(At), Patience));
        string elsewhere = Directory.CreateDirectory(Path.Combine(_folder, "b")).FullName;
        SwtpmFactAttribute.Run(At, elsewhere);
        using ITpm second = Open();
        Assert.True(second.Start() && second.Restore(state), second.Trouble);
        Assert.Equal(value, Execute(second, read)[^32..]);
        Assert.True(second.Start());
        Assert.Equal([0, 0, 0, 0], Execute(second, Startup)[6..10]);
        Assert.Equal(new byte[32], Execute(second, read)[^32..]);
    }
}

/// <summary>A fact that needs swtpm and says so where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SwtpmFactAttribute : FactAttribute
{
    public SwtpmFactAttribute()
    {
        if (!IsInstalled) Skip = "swtpm is not installed; install it to run this test, and the steps with a TPM of the guest tests.";
    }

    private static bool IsInstalled => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(static folder => File.Exists(Path.Combine(folder, "swtpm")));

    /// <summary>Starts one that ends with its machine. It listens when this returns.</summary>
    internal static void Run(string socket, string state)
    {
        using Process process = Process.Start("swtpm", ["socket", "--tpm2", "--ctrl", $"type=unixio,path={socket}", "--tpmstate", $"dir={state}", "--daemon"]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}

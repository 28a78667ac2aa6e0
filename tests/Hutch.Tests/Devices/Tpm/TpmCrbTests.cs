using System;
using System.Linq;
using System.Threading;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Tpm;

/// <summary>The command response buffer of a PC's TPM (TCG PC Client Platform TPM Profile, PTP 1.05 §6.5.3), and what a TPM 2.0 answers (TPM 2.0 Part 2 §6).</summary>
public sealed class TpmCrbTests : IDisposable
{
    private const ulong Base = 0xfed4_0000;
    private const int LocState = 0, LocCtrl = 8, LocSts = 0xc, IntfId = 0x30, CtrlReq = 0x40, CtrlSts = 0x44, CtrlCancel = 0x48, CtrlStart = 0x4c, Data = 0x80;

    // TPM2_Startup (TPM 2.0 Part 3 §9.3).
    private static readonly byte[] Startup = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0], Success = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0];

    private readonly FakeTpm _tpm = new();
    private readonly TestMachine _machine;
    private readonly IDevice _device;

    public TpmCrbTests()
    {
        _machine = new TestMachine(tpm: _tpm);
        _device = DeviceFactories.Create(new TpmCrbConfig("tpm0", "/t"), _machine.Services);
        _device.Reset();
        _device.Start();
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
        Assert.True(_tpm.IsDisposed);
    }

    private uint Get(int register) => (uint)_machine.Load(Base + (ulong)register, 4);

    private void Set(int register, uint value) => _machine.Store(Base + (ulong)register, value, 4);

    private byte[] Buffer(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)_machine.Load(Base + Data + (ulong)i, 1))];

    private void Put(params ReadOnlySpan<byte> command)
    {
        for (int i = 0; i < command.Length; i++) _machine.Store(Base + Data + (ulong)i, command[i], 1);
    }

    private void Begin(params ReadOnlySpan<byte> command)
    {
        Set(LocCtrl, 1);
        Set(CtrlReq, 1);
        Put(command);
        Set(CtrlStart, 1);
    }

    private void WaitForEnd() => Assert.True(SpinWait.SpinUntil(() => Get(CtrlStart) == 0, TimeSpan.FromSeconds(20)));

    // PTP 1.05 §6.5.3: TPM_LOC_STATE, TPM_CRB_INTF_ID, TPM_CRB_CTRL_STS, sizes and addresses; a shared buffer has one size.
    [Fact]
    public void Registers_say_what_there_is()
    {
        Assert.Equal(0x81u, Get(LocState));
        Assert.Equal(0x1014_0002_5811UL, _machine.Load(Base + IntfId, 8));
        Assert.Equal((0u, 2u, 0u, 0u), (Get(CtrlReq), Get(CtrlSts), Get(CtrlCancel), Get(CtrlStart)));
        Assert.Equal((3968u, 0xfed4_0080u, 0u), (Get(0x58), Get(0x5c), Get(0x60)));
        Assert.Equal((3968u, 0xfed4_0080UL), (Get(0x64), _machine.Load(Base + 0x68, 8)));
        Assert.Equal(0x81UL, _machine.Load(Base, 1));
        Set(IntfId, 0);
        Assert.Equal(0x2_5811u, Get(IntfId));
        Assert.Equal(1, _tpm.Starts);
    }

    // PTP 1.05 §6.5.3: TPM_LOC_CTRL, TPM_LOC_STS; TPM_CRB_CTRL_REQ is carried out at once.
    [Fact]
    public void A_locality_is_granted_and_given_back_and_the_buffer_is_idle_or_ready()
    {
        Set(LocCtrl, 1);
        Assert.Equal((0x83u, 1u), (Get(LocState), Get(LocSts)));
        Set(CtrlReq, 1);
        Assert.Equal((0u, 0u), (Get(CtrlReq), Get(CtrlSts)));
        Set(CtrlReq, 2);
        Assert.Equal((0u, 2u), (Get(CtrlReq), Get(CtrlSts)));
        Set(LocCtrl, 2);
        Assert.Equal((0x81u, 0u), (Get(LocState), Get(LocSts)));
    }

    // PTP 1.05 §6.5.3.9.2: the response is in the buffer from the end of the command on.
    [Fact]
    public void A_command_goes_to_the_tpm_and_its_response_comes_into_the_buffer()
    {
        Begin(Startup);
        Assert.True(_tpm.WaitForCommand());
        Assert.Equal(Startup, Assert.Single(_tpm.Commands));
        Assert.Equal(1u, Get(CtrlStart));
        // The TPM has the buffer: neither bytes nor a second start do anything, and it does not become idle.
        Put(0xff);
        Set(CtrlStart, 1);
        Set(CtrlReq, 2);
        Assert.Equal((0x80, 0u), (Buffer(1)[0], Get(CtrlSts)));
        _tpm.Answer(Success);
        WaitForEnd();
        Assert.Equal(Success, Buffer(10));
        Assert.Single(_tpm.Commands);
        // Doubles of eight bytes are as good.
        _machine.Store(Base + Data, 0x0100_0c00_0000_0180, 8);
        Assert.Equal([0x80, 0x01, 0, 0, 0, 0x0c, 0, 1], Buffer(8));
    }

    [Fact]
    public void A_command_without_a_locality_is_not_started()
    {
        Put(Startup);
        Set(CtrlReq, 1);
        Set(CtrlStart, 1);
        Assert.Equal(0u, Get(CtrlStart));
        _device.Stop();
        Assert.Empty(_tpm.Commands);
    }

    // TPM 2.0 Part 2 §6.6: TPM_RC_COMMAND_SIZE.
    [Theory]
    [InlineData(9u)]
    [InlineData(3969u)]
    [InlineData(uint.MaxValue)]
    public void A_command_that_cannot_be_as_long_as_it_says_is_refused(uint length)
    {
        Begin(0x80, 0x01, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, 0, 0, 0x01, 0x44);
        Assert.Equal(0u, Get(CtrlStart));
        Assert.Equal([0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x42], Buffer(10));
        _device.Stop();
        Assert.Empty(_tpm.Commands);
    }

    // PTP 1.05 §6.5.3: TPM_CRB_CTRL_CANCEL stays set until software clears it.
    [Fact]
    public void A_command_is_cancelled_once_for_each_time_that_it_is_asked()
    {
        Set(CtrlCancel, 1);
        Assert.Equal(1u, Get(CtrlCancel));
        Set(CtrlCancel, 0);
        Begin(Startup);
        Assert.True(_tpm.WaitForCommand());
        Set(CtrlCancel, 1);
        Set(CtrlCancel, 1);
        Assert.True(_tpm.WaitForCancel());
        Assert.Equal(1u, Get(CtrlStart));
        _tpm.Answer(Success);
        WaitForEnd();
        Assert.Equal((1u, 0), (Get(CtrlCancel), _tpm.Cancellations));
    }

    // TPM 2.0 Part 2 §6.6: TPM_RC_FAILURE.
    [Fact]
    public void A_tpm_that_is_gone_fails_every_command_and_is_told_of_once()
    {
        for (int i = 0; i < 2; i++)
        {
            Begin(Startup);
            if (i == 0) Assert.True(_tpm.WaitForCommand());
            _tpm.Break("swtpm has ended");
            WaitForEnd();
            Assert.Equal([0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01], Buffer(10));
        }
        _device.Stop();
        _device.Reset();
        Assert.Equal([("The TPM 'tpm0' does not work any more (swtpm has ended); the guest's commands to it fail", AlarmAction.None)], _machine.Platform.Alarms);
        Assert.Contains("swtpm has ended", Assert.Throws<StateException>(() => _device.Exchange(new StateWriter("tpm0"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tpm_that_does_not_start_is_the_operators()
    {
        FakeTpm broken = new();
        broken.Break("it has no state");
        using TestMachine machine = new(tpm: broken);
        using IDevice device = DeviceFactories.Create(new TpmCrbConfig("tpm1", "/t"), machine.Services);
        Assert.Contains("'tpm1' does not start: it has no state", Assert.Throws<ConfigException>(device.Reset).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_has_one_tpm() =>
        Assert.Contains("a machine can have one", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new TpmCrbConfig("tpm1", "/t"), _machine.Services)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_reset_starts_the_tpm_anew_and_drops_what_it_was_doing()
    {
        Begin(Startup);
        Assert.True(_tpm.WaitForCommand());
        _device.Stop();
        _device.Reset();
        _device.Start();
        Assert.Equal((0u, 0x81u, 2u, 2), (Get(CtrlStart), Get(LocState), Get(CtrlSts), _tpm.Starts));
        Assert.Equal(new byte[10], Buffer(10));
        Begin(Startup);
        Assert.True(_tpm.WaitForCommand());
        _tpm.Answer(Success);
        WaitForEnd();
        Assert.Equal(Success, Buffer(10));
    }

    [Fact]
    public void A_saved_machine_has_the_response_of_the_command_that_was_under_way()
    {
        Begin(Startup);
        Assert.True(_tpm.WaitForCommand());
        _device.Stop();
        _tpm.Answer(Success);
        StateWriter saved = new("tpm0");
        _device.Exchange(saved);

        FakeTpm other = new() { IsEstablished = true };
        using TestMachine machine = new(tpm: other);
        using IDevice back = DeviceFactories.Create(new TpmCrbConfig("tpm0", "/t"), machine.Services);
        back.Reset();
        back.Exchange(new StateReader("tpm0", saved.Body.ToArray()));
        back.Start();
        Assert.Equal((0x82UL, 0UL, 0UL), (machine.Load(Base + LocState, 4), machine.Load(Base + CtrlSts, 4), machine.Load(Base + CtrlStart, 4)));
        Assert.Equal(Success, Enumerable.Range(0, 10).Select(i => (byte)machine.Load(Base + Data + (ulong)i, 1)));
        Assert.Equal([(2u, 2), (0u, 1), (0u, 0)], other.Restored!.Select(blob => (blob.Flags, blob.Bytes.Length)));
    }

    [Fact]
    public void A_state_that_is_not_given_or_not_taken_is_refused_with_its_cause()
    {
        FakeTpm other = new() { RefusesState = true };
        using TestMachine machine = new(tpm: other);
        using IDevice device = DeviceFactories.Create(new TpmCrbConfig("tpm0", "/t"), machine.Services);
        device.Reset();
        Assert.Contains("cannot be saved: it is a secret", Assert.Throws<StateException>(() => device.Exchange(new StateWriter("tpm0"))).Message, StringComparison.Ordinal);
        _device.Stop();
        StateWriter saved = new("tpm0");
        _device.Exchange(saved);
        Assert.Contains("did not take its saved state", Assert.Throws<StateException>(() => device.Exchange(new StateReader("tpm0", saved.Body.ToArray()))).Message, StringComparison.Ordinal);
    }
}

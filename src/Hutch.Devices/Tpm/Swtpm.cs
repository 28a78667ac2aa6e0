using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Hutch.Model.Machine;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Devices.Tpm;

/// <summary>
/// A TPM that swtpm emulates in a process of its own (swtpm, include/swtpm/tpm_ioctl.h; QEMU docs/specs/tpm). Requests go over its control socket, where all numbers are
/// big-endian and a result comes first; commands and responses go over a socket of ours, which it is given. It answers requests between two commands.
/// </summary>
internal sealed class Swtpm : ITpm
{
    // What it must be able to do (PTM_CAP_*), for a machine at all; the bits of what else we use follow.
    private const ulong Needed = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 10 | 1 << 12 | 1 << 13, CanCancel = 1 << 5, CanMoveState = 1 << 8 | 1 << 9;

    // A request waits for the end of a command. The first one does not: who does not answer that is busy with another machine.
    private const int PatienceMs = 30_000, FirstPatienceMs = 5_000;

    private const int ResultBytes = 4, BlobHeaderBytes = 16, LeastBufferBytes = 1024, MostUnreadBytes = 256;
    private const uint DeleteVolatile = 1, Decrypted = 1, Warning = 0x800;
    private const uint Permanent = 1, Saved = 3;

    // TPM2_GetCapability of one property: it changes nothing, and its answer's tag tells a TPM 2.0 from a TPM 1.2.
    private static ReadOnlySpan<byte> Question => [0x80, 0x01, 0, 0, 0, 22, 0, 0, 0x01, 0x7a, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 0, 1];

    // SwtpmCommand.CancelTpmCommand, which a guest may ask for again and again.
    private static ReadOnlySpan<byte> CancelRequest => [0, 0, 0, 9];

    private readonly string _path;
    private readonly LocalChannel _control, _data;
    private ulong _capabilities;
    private int _received, _unreadBytes, _patienceMs = FirstPatienceMs;
    private bool _isOn;

    private Swtpm(string path, LocalChannel control, LocalChannel data) => (_path, _control, _data) = (path, control, data);

    /// <inheritdoc/>
    public bool IsEstablished { get; private set; }

    /// <inheritdoc/>
    public int Descriptor => _data.Descriptor;

    /// <inheritdoc/>
    public string? Trouble { get; private set; }

    /// <summary>Connects to the one that listens on a path. Throws <see cref="ConfigException"/>.</summary>
    internal static ITpm Open(TpmCrbConfig config)
    {
        LocalChannel? control = null;
        try
        {
            control = LocalChannel.Connect(config.Path);
            LocalChannel data = LocalChannel.CreatePair(config.Path, out SafeFileHandle other);
            Swtpm tpm = new(config.Path, control, data);
            using (other)
                if (tpm.Agree(other)) return tpm;
            tpm.Dispose();
            throw new ConfigException($"The TPM '{config.Id}' cannot be used: {tpm.Trouble}.");
        }
        catch (Exception refused) when (refused is IOException or LinuxException)
        {
            control?.Dispose();
            throw new ConfigException($"The TPM '{config.Id}' is not there ({refused.Message.TrimEnd('.')}); start it first: swtpm socket --tpm2 --ctrl type=unixio,path={config.Path} --tpmstate dir=DIRECTORY.", refused);
        }
    }

    /// <inheritdoc/>
    public bool Start() => Stop() && SwitchOn(0);

    /// <inheritdoc/>
    public bool Send(ReadOnlySpan<byte> command)
    {
        _received = 0;
        SkipLateAnswers(patienceMs: 0);
        return Trouble is null && (_data.Send(command, PatienceMs) || Fail("does not take commands"));
    }

    /// <inheritdoc/>
    public int Receive(Span<byte> response, int patienceMs)
    {
        while (Trouble is null)
        {
            int wanted = TpmMessage.HeaderBytes;
            if (_received >= wanted)
            {
                uint length = TpmMessage.LengthOf(response);
                if (!TpmMessage.IsLength(length) || length > response.Length)
                {
                    Fail($"sent a response of {length} bytes");
                    break;
                }
                wanted = (int)length;
                if (_received == wanted) return wanted;
            }
            int count = _data.Receive(response[_received..wanted]);
            if (count == 0) Fail("has ended");
            else if (count > 0) _received += count;
            else if (patienceMs == 0 || !_data.Wait(patienceMs)) return -1;
        }
        return 0;
    }

    /// <inheritdoc/>
    public void Cancel()
    {
        // Nobody waits for the answer here: swtpm's loop gives it when it comes to that.
        if (Trouble is not null || (_capabilities & CanCancel) == 0 || _unreadBytes >= MostUnreadBytes) return;
        if (_control.Send(CancelRequest, PatienceMs)) _unreadBytes += ResultBytes;
    }

    /// <inheritdoc/>
    public IReadOnlyList<TpmBlob>? Save(out string why)
    {
        why = $"swtpm at {_path} does not give it; install a later version";
        if ((_capabilities & CanMoveState) != CanMoveState) return null;
        List<TpmBlob> state = [];
        Span<byte> header = stackalloc byte[BlobHeaderBytes];
        for (uint part = Permanent; part <= Saved; part++)
        {
            bool isAnswered = Ask(SwtpmCommand.GetStateBlob, [Decrypted, part, 0], header);
            uint result = Word(header, 0), flags = Word(header, 1), total = Word(header, 2), length = Word(header, 3);
            why = $"swtpm at {_path} answers the request for part {part} of it with the error 0x{result:x}";
            // A warning says that there is no such part.
            if (isAnswered && result != 0 && (result & Warning) == 0) return null;
            if (isAnswered && (total != length || length > TpmBlob.MostBytes)) isAnswered = Fail($"gives part {part} of its state in {length} of {total} bytes");
            byte[] bytes = isAnswered ? new byte[length] : [];
            if (isAnswered && !_control.ReceiveAll(bytes, PatienceMs)) Fail("does not give its state");
            why = Trouble ?? "";
            if (Trouble is not null) return null;
            state.Add(new TpmBlob(flags, bytes));
        }
        return state;
    }

    /// <inheritdoc/>
    public bool Restore(IReadOnlyList<TpmBlob> state)
    {
        if (!Stop()) return false;
        for (int i = 0; i < state.Count; i++)
        {
            byte[] bytes = state[i].Bytes;
            if (bytes.Length == 0) continue;
            bool isSent = _control.Send(Request(SwtpmCommand.SetStateBlob, [state[i].Flags, Permanent + (uint)i, (uint)bytes.Length]), PatienceMs) && _control.Send(bytes, PatienceMs);
            if (!(isSent || Fail("does not take its state")) || !Accept(SwtpmCommand.SetStateBlob, [])) return false;
        }
        return SwitchOn(DeleteVolatile);
    }

    /// <summary>swtpm ends with the machine; before a machine has used it, it is left for another attempt.</summary>
    public void Dispose()
    {
        if (_isOn && Trouble is null)
        {
            _patienceMs = FirstPatienceMs;
            Order(SwtpmCommand.Shutdown, [], []);
        }
        _control.Dispose();
        _data.Dispose();
    }

    private bool Agree(SafeFileHandle other)
    {
        Span<byte> capabilities = stackalloc byte[sizeof(ulong)];
        if (!_control.Send(Request(SwtpmCommand.GetCapability, []), FirstPatienceMs) || !_control.ReceiveAll(capabilities, FirstPatienceMs)) return Fail("does not answer; another machine may have it");
        _capabilities = BinaryPrimitives.ReadUInt64BigEndian(capabilities);
        if ((_capabilities & Needed) != Needed) return Fail($"lacks abilities (it has 0x{_capabilities:x} of 0x{Needed:x}); install a later version");
        if (!_control.Send(Request(SwtpmCommand.SetDataDescriptor, []), other) || !Accept(SwtpmCommand.SetDataDescriptor, [])) return Fail("does not take a socket for commands");
        Span<byte> response = stackalloc byte[TpmMessage.HeaderBytes * 8];
        if (!Send(Question) || Receive(response, FirstPatienceMs) <= 0) return Fail("does not answer commands");
        if (BinaryPrimitives.ReadUInt16BigEndian(response) != TpmMessage.NoSessions) return Fail("is a TPM 1.2; start it with --tpm2");
        _patienceMs = PatienceMs;
        return true;
    }

    // A command that was under way has ended when the answer comes, and its response lies there.
    private bool Stop()
    {
        if (!Order(SwtpmCommand.Stop, [], [])) return false;
        Span<byte> rest = stackalloc byte[256];
        while (_data.Receive(rest) > 0) { }
        _received = 0;
        return true;
    }

    private bool SwitchOn(uint flags)
    {
        Span<byte> sizes = stackalloc byte[3 * sizeof(uint)], established = stackalloc byte[sizeof(uint)];
        if (!Order(SwtpmCommand.SetBufferSize, [TpmMessage.MostBytes], sizes)) return false;
        if (Word(sizes, 0) is < LeastBufferBytes or > TpmMessage.MostBytes) return Fail($"wants a buffer of {Word(sizes, 0)} bytes");
        if (!Order(SwtpmCommand.Init, [flags], []) || !Order(SwtpmCommand.SetLocality, [0], []) || !Order(SwtpmCommand.GetEstablished, [], established)) return false;
        // The structure has a byte and three to fill it up.
        IsEstablished = established[0] != 0;
        return _isOn = true;
    }

    // A request whose answer is a result and, where that is 0, something else.
    private bool Order(SwtpmCommand command, ReadOnlySpan<uint> arguments, Span<byte> answer)
    {
        if (Trouble is not null) return false;
        SkipLateAnswers(_patienceMs);
        return (_control.Send(Request(command, arguments), _patienceMs) || Fail("does not take requests")) && Accept(command, answer);
    }

    private bool Accept(SwtpmCommand command, Span<byte> answer)
    {
        Span<byte> result = stackalloc byte[ResultBytes];
        if (!_control.ReceiveAll(result, _patienceMs)) return Fail("does not answer");
        if (Word(result, 0) != 0) return Fail($"answers the request {(uint)command} with the error 0x{Word(result, 0):x}");
        return _control.ReceiveAll(answer, _patienceMs) || Fail("does not answer");
    }

    // A request whose whole answer is always as long.
    private bool Ask(SwtpmCommand command, ReadOnlySpan<uint> arguments, Span<byte> answer)
    {
        if (Trouble is not null) return false;
        SkipLateAnswers(_patienceMs);
        return (_control.Send(Request(command, arguments), _patienceMs) && _control.ReceiveAll(answer, _patienceMs)) || Fail("does not answer");
    }

    // Those to cancellations: they come before that to the next request.
    private void SkipLateAnswers(int patienceMs)
    {
        Span<byte> answers = stackalloc byte[MostUnreadBytes];
        if (patienceMs != 0)
        {
            if (!_control.ReceiveAll(answers[.._unreadBytes], patienceMs)) Fail("does not answer");
            _unreadBytes = 0;
        }
        else if (_unreadBytes != 0 && _control.Receive(answers[.._unreadBytes]) is > 0 and int count) _unreadBytes -= count;
    }

    private static byte[] Request(SwtpmCommand command, ReadOnlySpan<uint> arguments)
    {
        byte[] request = new byte[sizeof(uint) * (1 + arguments.Length)];
        BinaryPrimitives.WriteUInt32BigEndian(request, (uint)command);
        for (int i = 0; i < arguments.Length; i++) BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(sizeof(uint) * (1 + i)), arguments[i]);
        return request;
    }

    private static uint Word(ReadOnlySpan<byte> answer, int index) => BinaryPrimitives.ReadUInt32BigEndian(answer[(sizeof(uint) * index)..]);

    // The first trouble is the cause of what follows.
    private bool Fail(string how)
    {
        Trouble ??= $"swtpm at {_path} {how}";
        return false;
    }
}

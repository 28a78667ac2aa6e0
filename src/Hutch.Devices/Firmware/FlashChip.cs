using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Storage;
using Hutch.Model.Machine;

namespace Hutch.Devices.Firmware;

/// <summary>
/// A flash chip, one byte wide, with the command set of Intel's (Common Flash Interface, JESD68.01, primary command set 0001), whose content is a file:
/// <code>
///   read array -> 10/40, data | 20, d0 | e8, count, data…, d0 -> status  |  70 -> status  |  90 -> identifiers  |  98 -> query  |  ff -> read array
/// </code>
/// Reads of the array are served from memory; the first command takes it from sight until it is asked for again, and then what was written is durable. Any thread.
/// </summary>
internal sealed class FlashChip : IBusDevice, IDisposable
{
    private const int BlockBytes = 4096, BufferBytes = 64;
    private const byte Ready = 0x80, EraseError = 0x20, ProgramError = 0x10, Confirm = 0xd0, Unlock = 0x01, Erased = 0xff;

    private readonly Lock _lock = new();
    private readonly BlockNode _node;
    private readonly IPlatformEvents _platform;
    private readonly RomRegion _rom;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly byte[] _block = new byte[BlockBytes];
    private readonly byte[] _query;
    private FlashCommand _command = FlashCommand.ReadArray;
    private byte _status;
    private uint _start;
    private byte _count, _expected;
    private bool _isDirty;

    /// <summary>Makes a chip of what is in <paramref name="node"/>, which it owns.</summary>
    internal FlashChip(BlockNode node, RomRegion rom, MachineServices services)
    {
        (_node, _rom, _platform) = (node, rom, services.Platform);
        _query = FlashQuery.Build(rom.LengthBytes, BlockBytes, BufferBytes);
        services.Mmio.Map("flash", rom.Start, rom.LengthBytes, this);
    }

    /// <summary>Opens the file and puts the chip right below <paramref name="end"/>. Throws <see cref="ConfigException"/>.</summary>
    internal static FlashChip Open(string path, ulong end, MachineServices services)
    {
        BlockNode? node = null;
        try
        {
            node = services.OpenDisk(new DiskConfig(path) { Discard = false });
            long length = node.LengthBytes;
            if (length <= 0 || length % BlockBytes != 0 || (ulong)length > end - MemoryLayout.RomWindowStart)
                throw new ConfigException($"The firmware's variables {path} have {length} bytes, which is no multiple of {BlockBytes} or too many; copy the template that belongs to the firmware image.");
            if (node.Limits.IsReadOnly) throw new ConfigException($"The firmware's variables {path} cannot be written; copy the template to a file of your own.");
            byte[] content = new byte[length];
            Blocking.Wait(node.ReadBytesAsync(0, content, default));
            RomRegion rom = services.Memory.Layout.AddRom(end - (ulong)length, (ulong)length);
            rom.Write(0, content);
            return new FlashChip(node, rom, services);
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            Close(node);
            throw new ConfigException($"The firmware's variables {path} cannot be opened: {refused.Message.TrimEnd('.')}.", refused);
        }
        catch
        {
            Close(node);
            throw;
        }
    }

    /// <summary>Power-on: the array is seen; its content stays.</summary>
    internal void Reset()
    {
        lock (_lock)
        {
            Array.Clear(_buffer);
            _status = 0;
            _start = _count = _expected = 0;
            Show(FlashCommand.ReadArray);
        }
    }

    /// <summary>Saves or restores the command in progress, and the content: the file may have gone on since.</summary>
    internal void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            byte command = (byte)_command;
            fields.Value("command", ref command);
            fields.Value("status", ref _status);
            fields.Value("start", ref _start);
            fields.Value("count", ref _count);
            fields.Value("expected", ref _expected);
            fields.Bytes("buffer", _buffer);
            byte[] content = new byte[_rom.LengthBytes];
            _rom.Read(0, content);
            fields.Bytes("content", content);
            fields.Require(Enum.IsDefined((FlashCommand)command), "command");
            fields.Require(_start < _rom.LengthBytes && _count <= _expected && _expected <= BufferBytes, "start");
            if (!fields.IsRestoring) return;
            _rom.Write(0, content);
            Store(0, content);
            Show((FlashCommand)command);
        }
    }

    /// <summary>Makes what was written durable.</summary>
    internal void Flush()
    {
        lock (_lock)
        {
            if (!_isDirty) return;
            _isDirty = false;
            Try(() => _node.FlushAsync(default));
        }
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (_lock)
        {
            if (_command == FlashCommand.ReadArray) _rom.Read(offset, data);
            else
                for (int i = 0; i < data.Length; i++) data[i] = Register(offset + (ulong)i);
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        lock (_lock)
            for (int i = 0; i < data.Length; i++) Accept((uint)offset + (uint)i, data[i]);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Flush();
        Close(_node);
    }

    private byte Register(ulong offset) => _command switch
    {
        FlashCommand.ReadId => FlashQuery.Identifier(offset),
        FlashCommand.ReadQuery => offset < (ulong)_query.Length ? _query[offset] : (byte)0,
        _ => _status,
    };

    private void Accept(uint offset, byte value)
    {
        switch (_command)
        {
            case FlashCommand.ProgramData:
                Program(offset, [value]);
                Show(FlashCommand.ReadStatus);
                break;
            case FlashCommand.EraseConfirm:
                if (value == Confirm) Erase(offset);
                else _status |= Ready | EraseError | ProgramError;
                Show(FlashCommand.ReadStatus);
                break;
            case FlashCommand.LockSetup:
                // Blocks have no locks; to lock or unlock one does nothing.
                if (value is not (Unlock or Confirm)) _status |= Ready | EraseError | ProgramError;
                Show(FlashCommand.ReadStatus);
                break;
            case FlashCommand.BufferCount or FlashCommand.BufferData or FlashCommand.BufferConfirm:
                AcceptBuffered(offset, value);
                break;
            default:
                Begin(value);
                break;
        }
    }

    private void Begin(byte value)
    {
        switch (value)
        {
            case 0x10 or 0x40: Show(FlashCommand.ProgramData); break;
            case 0x50:
                // No bit is left, not even that of a chip that is ready: OVMF tells a chip from RAM and ROM by this zero.
                _status = 0;
                Show(FlashCommand.ReadArray);
                break;
            case 0x20 or 0x60 or 0x70 or 0x90 or 0x98 or 0xe8: Show((FlashCommand)value); break;
            case 0x00 or 0xf0 or 0xff: Show(FlashCommand.ReadArray); break;
            default: Show(FlashCommand.ReadStatus); break;
        }
    }

    // A count, less one; then as many bytes of one buffer's range; then the confirmation (28FxxxJ3 data sheet, figure 8).
    private void AcceptBuffered(uint offset, byte value)
    {
        switch (_command)
        {
            case FlashCommand.BufferCount when value < BufferBytes:
                _expected = (byte)(value + 1);
                _count = 0;
                _buffer.AsSpan().Fill(Erased);
                Show(FlashCommand.BufferData);
                return;
            case FlashCommand.BufferData:
                if (_count == 0) _start = offset;
                uint place = offset - _start;
                if (place >= BufferBytes) break;
                _buffer[place] = value;
                if (++_count == _expected) Show(FlashCommand.BufferConfirm);
                return;
            case FlashCommand.BufferConfirm when value == Confirm:
                Program(_start, _buffer.AsSpan(0, (int)Math.Min(BufferBytes, _rom.LengthBytes - _start)));
                Show(FlashCommand.ReadStatus);
                return;
        }
        _status |= Ready | EraseError | ProgramError;
        Show(FlashCommand.ReadStatus);
    }

    // Programming clears bits and sets none.
    private void Program(uint offset, ReadOnlySpan<byte> value)
    {
        Span<byte> content = _block.AsSpan(0, value.Length);
        _rom.Read(offset, content);
        for (int i = 0; i < content.Length; i++) content[i] &= value[i];
        _rom.Write(offset, content);
        _status |= Ready;
        if (!Store(offset, _block.AsMemory(0, value.Length))) _status |= ProgramError;
    }

    private void Erase(uint offset)
    {
        offset -= offset % BlockBytes;
        _block.AsSpan().Fill(Erased);
        _rom.Write(offset, _block);
        _status |= Ready;
        if (!Store(offset, _block)) _status |= EraseError;
    }

    private void Show(FlashCommand command)
    {
        _command = command;
        bool visible = command == FlashCommand.ReadArray;
        if (visible) Flush();
        _rom.IsVisible = visible;
    }

    private bool Store(long offset, ReadOnlyMemory<byte> content)
    {
        _isDirty = true;
        return Try(() => _node.WriteBytesAsync(offset, content, WriteFlags.None, default));
    }

    // The guest sees its error bit; the operator hears of it. Writes are rare and short: the vCPU waits for them, as for a chip.
    private bool Try(Func<ValueTask> operation)
    {
        try
        {
            Blocking.Wait(operation());
            return true;
        }
        catch (Exception refused) when (DiskNodes.IsFailure(refused))
        {
            _platform.StorageFailed($"The firmware's variables cannot be written: {refused.Message.TrimEnd('.')}; the guest is told.", pause: false);
            return false;
        }
    }

    private static void Close(BlockNode? node)
    {
        if (node is not null) Blocking.Wait(node.DisposeAsync());
    }
}

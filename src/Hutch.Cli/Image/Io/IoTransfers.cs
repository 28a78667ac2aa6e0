using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Host.Files;
using Hutch.Host.Time;

namespace Hutch.Cli.Image.Io;

/// <summary>Commands that read and write data.</summary>
internal sealed class IoTransfers
{
    // Large requests with one byte everywhere go in parts, so that they need no memory of their length.
    private const int PartBytes = 16 << 20;

    private readonly IoShell _shell;
    private readonly MonotonicClock _clock = new();

    /// <summary>Makes the commands of a shell.</summary>
    internal IoTransfers(IoShell shell)
    {
        _shell = shell;
        Commands =
        [
            new("read", "r", 2, -1, "[-abCqv] [-P pattern [-s off] [-l len]] off len", "reads a number of bytes at a specified offset", Read),
            new("readv", "", 2, -1, "[-Cqv] [-P pattern] off len [len..]", "reads a number of bytes at a specified offset", arguments => ReadVector(arguments, false)),
            new("write", "w", 2, -1, "[-bcCfnquz] [-P pattern | -s source_file] off len", "writes a number of bytes at a specified offset", Write) { Writes = true },
            new("writev", "", 2, -1, "[-Cfq] [-P pattern] off len [len..]", "writes a number of bytes at a specified offset", arguments => WriteVector(arguments, false)) { Writes = true },
            new("aio_read", "", 2, -1, "[-Ciqv] [-P pattern] off len [len..]", "asynchronously reads a number of bytes", arguments => ReadVector(arguments, true)),
            new("aio_write", "", 2, -1, "[-Cfiquz] [-P pattern] off len [len..]", "asynchronously writes a number of bytes", arguments => WriteVector(arguments, true)) { Writes = true },
        ];
    }

    /// <summary>The commands.</summary>
    internal IReadOnlyList<IoCommand> Commands { get; }

    private Tool Tool => _shell.Tool;

    private ImageNode Image => _shell.Image!;

    private bool Read(IReadOnlyList<string> words)
    {
        IoArguments arguments = new(words, "abCl:pP:qs:v");
        if (arguments.Operands.Count != 2) throw new IoArgumentException();
        long offset = IoArguments.Number(arguments.Operands[0]), length = IoArguments.Length(arguments.Operands[1]);
        byte? pattern = arguments.Pattern('P');
        long verifyAt = arguments.Size('s') ?? 0, verifyLength = arguments.Size('l') ?? length - verifyAt;
        if (pattern is null && (arguments.Has('l') || arguments.Has('s'))) throw new IoArgumentException();
        if (verifyLength < 0 || verifyLength + verifyAt > length) throw new UsageException("pattern verification range exceeds end of read data");
        bool isVmState = arguments.Has('b'), dumps = arguments.Has('v') && !arguments.Has('q');
        if (isVmState) CheckSectors(offset, length);
        long begun = _clock.MonotonicNanoseconds;
        bool isGood = true;
        StringBuilder dump = new();
        try
        {
            if (!isVmState) CheckInside(offset, length);
            using NativeBuffer buffer = new((int)Math.Clamp(length, 1, PartBytes));
            for (long at = 0; at < length || (at == 0 && length == 0); at += PartBytes)
            {
                int part = (int)Math.Min(PartBytes, length - at);
                Span<byte> data = buffer.Span[..part];
                data.Fill(0xab);
                IoVector vector = new(new[] { buffer.Segment(0, part) });
                Blocking.Wait(isVmState ? VmState().ReadVmStateAsync(offset + at, vector, default) : Image.ReadAsync(offset + at, vector, default));
                if (pattern is not null)
                {
                    int from = (int)Math.Clamp(verifyAt - at, 0, part), to = (int)Math.Clamp(verifyAt + verifyLength - at, 0, part);
                    if (data[from..to].ContainsAnyExcept(pattern.Value)) isGood = false;
                }
                if (dumps) IoReport.Dump(dump, data, offset + at);
            }
        }
        catch (Exception e) when (e is BlockIoException or ImageException)
        {
            Tool.WriteLine($"read failed: {TextOf(e)}");
            return false;
        }
        if (!isGood) Tool.WriteLine($"Pattern verification failed at offset {offset + verifyAt}, {verifyLength} bytes");
        if (arguments.Has('q')) return isGood;
        Tool.Write(dump.ToString());
        Report("read", offset, length, begun, arguments);
        return isGood;
    }

    private bool Write(IReadOnlyList<string> words)
    {
        IoArguments arguments = new(words, "bcCfnpP:qs:uz");
        if (arguments.Operands.Count != 2) throw new IoArgumentException();
        CheckWriteFlags(arguments);
        byte pattern = arguments.Pattern('P') ?? 0xcd;
        bool isZero = arguments.Has('z'), isVmState = arguments.Has('b');
        long offset = IoArguments.Number(arguments.Operands[0]), length = IoArguments.Length(arguments.Operands[1], !arguments.Has('n'));
        if (isVmState || arguments.Has('c')) CheckSectors(offset, length);
        byte[]? source = arguments.Value('s') is string path ? ReadSource(path) : null;
        WriteFlags flags = FlagsOf(arguments) | (arguments.Has('c') ? WriteFlags.Compressed : 0);
        long begun = _clock.MonotonicNanoseconds;
        try
        {
            if (!isVmState) CheckInside(offset, length);
            if (arguments.Has('c') && !Image.CanCompress) throw new BlockIoException("No compression.", BlockIoException.Enotsup);
            if (isZero) Blocking.Wait(Image.WriteZeroesAsync(offset, length, flags, default));
            else WriteParts(offset, length, pattern, source, flags, isVmState);
        }
        catch (Exception e) when (e is BlockIoException or ImageException)
        {
            Tool.WriteLine($"write failed: {TextOf(e)}");
            return false;
        }
        if (!arguments.Has('q')) Report("wrote", offset, length, begun, arguments);
        return true;
    }

    private void WriteParts(long offset, long length, byte pattern, byte[]? source, WriteFlags flags, bool isVmState)
    {
        if (length == 0) return;
        bool isWhole = source is not null || (flags & WriteFlags.Compressed) != 0;
        using NativeBuffer buffer = new((int)(isWhole ? length : Math.Min(length, PartBytes)));
        if (source is null) buffer.Span.Fill(pattern);
        else for (int i = 0; i < buffer.LengthBytes; i++) buffer.Span[i] = source[i % source.Length];
        int step = (flags & WriteFlags.Compressed) != 0 ? Math.Max(512, Image.ClusterBytes) : buffer.LengthBytes;
        for (long at = 0; at < length; at += step)
        {
            int part = (int)Math.Min(step, length - at);
            IoVector vector = new(new[] { buffer.Segment(isWhole ? (int)at : 0, part) });
            Blocking.Wait(isVmState ? VmState().WriteVmStateAsync(offset + at, vector, default) : Image.WriteAsync(offset + at, vector, flags, default));
        }
    }

    private bool ReadVector(IReadOnlyList<string> words, bool isAsynchronous)
    {
        IoArguments arguments = new(words, isAsynchronous ? "CP:iqv" : "CP:qv");
        if (arguments.Operands.Count < 2) throw new IoArgumentException();
        if (arguments.Has('i')) return true;
        byte? pattern = arguments.Pattern('P');
        long offset = IoArguments.Number(arguments.Operands[0]);
        (NativeBuffer buffer, IoVector vector) = Allocate(arguments, 0xab);
        return Begin(ReadVectorAsync(arguments, offset, buffer, vector, pattern), isAsynchronous);
    }

    private async Task<bool> ReadVectorAsync(IoArguments arguments, long offset, NativeBuffer buffer, IoVector vector, byte? pattern)
    {
        using NativeBuffer owned = buffer;
        long begun = _clock.MonotonicNanoseconds, length = vector.LengthBytes;
        try
        {
            CheckInside(offset, length);
            await Image.ReadAsync(offset, vector, default).ConfigureAwait(false);
        }
        catch (Exception e) when (e is BlockIoException or ImageException)
        {
            Tool.WriteLine($"readv failed: {TextOf(e)}");
            return false;
        }
        bool isGood = pattern is null || !buffer.Span[..(int)length].ContainsAnyExcept(pattern.Value);
        if (!isGood) Tool.WriteLine($"Pattern verification failed at offset {offset}, {length} bytes");
        if (arguments.Has('q')) return isGood;
        if (arguments.Has('v'))
        {
            StringBuilder dump = new();
            IoReport.Dump(dump, buffer.Span[..(int)length], offset);
            Tool.Write(dump.ToString());
        }
        Report("read", offset, length, begun, arguments);
        return isGood;
    }

    private bool WriteVector(IReadOnlyList<string> words, bool isAsynchronous)
    {
        IoArguments arguments = new(words, isAsynchronous ? "CfiP:quz" : "CfqP:");
        if (arguments.Operands.Count < 2) throw new IoArgumentException();
        if (arguments.Has('i')) return true;
        bool isZero = arguments.Has('z');
        if (isZero && arguments.Operands.Count > 2) throw new UsageException("-z supports only a single length parameter");
        if (arguments.Has('u') && !isZero) throw new UsageException("-u requires -z to be specified");
        if (isZero && arguments.Has('P')) throw new UsageException("-z and -P cannot be specified at the same time");
        byte pattern = arguments.Pattern('P') ?? 0xcd;
        long offset = IoArguments.Number(arguments.Operands[0]);
        if (isZero) return Begin(WriteVectorAsync(arguments, offset, null, default, IoArguments.Length(arguments.Operands[1]), isAsynchronous), isAsynchronous);
        (NativeBuffer buffer, IoVector vector) = Allocate(arguments, pattern);
        return Begin(WriteVectorAsync(arguments, offset, buffer, vector, vector.LengthBytes, isAsynchronous), isAsynchronous);
    }

    private async Task<bool> WriteVectorAsync(IoArguments arguments, long offset, NativeBuffer? buffer, IoVector vector, long length, bool isAsynchronous)
    {
        using NativeBuffer? owned = buffer;
        long begun = _clock.MonotonicNanoseconds;
        try
        {
            CheckInside(offset, length);
            WriteFlags flags = FlagsOf(arguments);
            if (buffer is null) await Image.WriteZeroesAsync(offset, length, flags, default).ConfigureAwait(false);
            else await Image.WriteAsync(offset, vector, flags, default).ConfigureAwait(false);
        }
        catch (Exception e) when (e is BlockIoException or ImageException)
        {
            Tool.WriteLine($"{(isAsynchronous ? "aio_write" : "writev")} failed: {TextOf(e)}");
            return false;
        }
        if (!arguments.Has('q')) Report("wrote", offset, length, begun, arguments);
        return true;
    }

    private bool Begin(Task<bool> request, bool isAsynchronous)
    {
        if (!isAsynchronous) return request.GetAwaiter().GetResult();
        _shell.Track(request);
        return true;
    }

    // Memory for all lengths, one range for each.
    private static (NativeBuffer Buffer, IoVector Vector) Allocate(IoArguments arguments, byte fill)
    {
        List<int> lengths = [];
        long total = 0;
        for (int i = 1; i < arguments.Operands.Count; i++)
        {
            long length = IoArguments.Length(arguments.Operands[i]);
            lengths.Add((int)length);
            total += length;
            if (total > IoArguments.MostBytes) throw new UsageException("The total number of bytes exceed the maximum size 0x7ffffe00");
        }
        NativeBuffer buffer = new((int)Math.Max(1, total));
        buffer.Span.Fill(fill);
        IoSegment[] segments = new IoSegment[lengths.Count];
        int at = 0;
        for (int i = 0; i < segments.Length; i++)
        {
            segments[i] = buffer.Segment(at, lengths[i]);
            at += lengths[i];
        }
        return (buffer, new IoVector(segments));
    }

    private static void CheckWriteFlags(IoArguments arguments)
    {
        if (arguments.Has('b') && arguments.Has('z')) throw new UsageException("-b and -z cannot be specified at the same time");
        if (arguments.Has('f') && (arguments.Has('b') || arguments.Has('c'))) throw new UsageException("-f and -b or -c cannot be specified at the same time");
        if (arguments.Has('n') && !arguments.Has('z')) throw new UsageException("-n requires -z to be specified");
        if (arguments.Has('u') && !arguments.Has('z')) throw new UsageException("-u requires -z to be specified");
        if ((arguments.Has('z') ? 1 : 0) + (arguments.Has('P') ? 1 : 0) + (arguments.Has('s') ? 1 : 0) > 1)
            throw new UsageException("Only one of -z, -P, and -s can be specified at the same time");
    }

    private static WriteFlags FlagsOf(IoArguments arguments) => (arguments.Has('f') ? WriteFlags.Durable : 0) | (arguments.Has('u') ? WriteFlags.MayUnmap : 0)
        | (arguments.Has('n') ? WriteFlags.NoFallback : 0);

    private static void CheckSectors(long offset, long length)
    {
        if (offset % 512 != 0) throw new UsageException($"{offset} is not a sector-aligned value for 'offset'");
        if (length % 512 != 0) throw new UsageException($"{length} is not a sector-aligned value for 'count'");
    }

    private void CheckInside(long offset, long length)
    {
        if (offset > Image.LengthBytes - length) throw new BlockIoException("The range is outside the image.");
    }

    private IImageVmState VmState() => Image as IImageVmState ?? throw new BlockIoException("No machine state.", BlockIoException.Enotsup);

    private static byte[] ReadSource(string path)
    {
        try
        {
            byte[] bytes = File.ReadAllBytes(path);
            return bytes.Length > 0 ? bytes : throw new UsageException($"{path}: file is empty");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: {e.Message}");
        }
    }

    private void Report(string verb, long offset, long length, long begun, IoArguments arguments) =>
        Tool.Write(IoReport.Of(verb, offset, length, length, 1, _clock.MonotonicNanoseconds - begun, arguments.Has('C')));

    private static string TextOf(Exception failure) => failure is BlockIoException io ? ErrorText.Of(io) : failure.Message;
}

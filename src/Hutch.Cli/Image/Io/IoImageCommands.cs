using System;
using System.Collections.Generic;
using System.Globalization;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Host.Time;

namespace Hutch.Cli.Image.Io;

/// <summary>Commands about the image: its length, what it has, discards and flushes.</summary>
internal sealed class IoImageCommands
{
    private const int SectorBytes = 512;

    private readonly IoShell _shell;
    private readonly MonotonicClock _clock = new();

    /// <summary>Makes the commands of a shell.</summary>
    internal IoImageCommands(IoShell shell)
    {
        _shell = shell;
        Commands =
        [
            new("aio_flush", "", 0, 0, "", "completes all outstanding aio requests", AioFlush),
            new("flush", "f", 0, 0, "", "makes all that was written durable", Flush),
            new("truncate", "t", 1, 3, "[-m prealloc_mode] off", "truncates the current file at the given offset", Truncate) { Writes = true },
            new("length", "l", 0, 0, "", "gets the length of the current file", Length),
            new("info", "i", 0, 0, "", "prints information about the current file", Info),
            new("discard", "d", 2, -1, "[-Cq] off len", "discards a number of bytes at a specified offset", Discard) { Writes = true },
            new("alloc", "a", 1, 2, "offset [count]", "checks if offset is allocated in the file", Alloc),
            new("map", "", 0, 1, "", "prints the allocated areas of a file", Map),
        ];
    }

    /// <summary>The commands.</summary>
    internal IReadOnlyList<IoCommand> Commands { get; }

    private Tool Tool => _shell.Tool;

    private ImageNode Image => _shell.Image!;

    private bool AioFlush(IReadOnlyList<string> words)
    {
        _shell.Drain();
        return true;
    }

    private bool Flush(IReadOnlyList<string> words)
    {
        try
        {
            Blocking.Wait(Image.FlushAsync(default));
            return true;
        }
        catch (BlockIoException)
        {
            return false;
        }
    }

    private bool Truncate(IReadOnlyList<string> words)
    {
        IoArguments arguments = new(words, "m:");
        if (arguments.Operands.Count != 1) throw new IoArgumentException();
        Preallocation preallocation = Preallocation.Off;
        try
        {
            if (arguments.Value('m') is string mode) preallocation = ResizeVerb.PreallocationOf(mode);
        }
        catch (UsageException e)
        {
            Tool.Error(e.Message);
            return false;
        }
        long length = IoArguments.Number(arguments.Operands[0]);
        try
        {
            Blocking.Wait(Image.ResizeAsync((length + SectorBytes - 1) / SectorBytes * SectorBytes, preallocation, default));
            return true;
        }
        catch (ImageException e)
        {
            Tool.Error(e);
        }
        catch (BlockIoException e)
        {
            Tool.Error(ErrorText.Of(e));
        }
        return false;
    }

    private bool Length(IReadOnlyList<string> words)
    {
        Tool.WriteLine(HumanSize.Exact(Image.LengthBytes));
        return true;
    }

    private bool Info(IReadOnlyList<string> words)
    {
        long state = (Image as IImageVmState)?.VmStateOffset ?? 0;
        Tool.Write($"format name: {Image.Format.Name}\ncluster size: {HumanSize.Exact(Image.ClusterBytes)}\nvm state offset: {HumanSize.Exact(state)}\n");
        if (Image.DescribeSpecifics() is { } specifics) Tool.Write(ImageInfo.DescribeSpecifics(specifics));
        return true;
    }

    private bool Discard(IReadOnlyList<string> words)
    {
        IoArguments arguments = new(words, "Cq");
        if (arguments.Operands.Count != 2) throw new IoArgumentException();
        long offset = IoArguments.Number(arguments.Operands[0]), length = IoArguments.Length(arguments.Operands[1]);
        long begun = _clock.MonotonicNanoseconds;
        try
        {
            if (offset > Image.LengthBytes - length) throw new BlockIoException("The range is outside the image.");
            Blocking.Wait(Image.DiscardAsync(offset, length, default));
        }
        catch (BlockIoException e)
        {
            Tool.WriteLine($"discard failed: {ErrorText.Of(e)}");
            return false;
        }
        if (!arguments.Has('q')) Tool.Write(IoReport.Of("discard", offset, length, length, 1, _clock.MonotonicNanoseconds - begun, arguments.Has('C')));
        return true;
    }

    private bool Alloc(IReadOnlyList<string> words)
    {
        long offset = IoArguments.Number(words[0]), count = words.Count > 1 ? IoArguments.Number(words[1]) : SectorBytes;
        long sum = 0, length = Image.LengthBytes;
        try
        {
            for (long at = offset; at < offset + count;)
            {
                if (at >= length) break;
                BlockExtent extent = Blocking.Wait(Image.GetExtentAsync(at, Math.Min(length, offset + count) - at, default));
                if (extent.Kind != BlockExtentKind.Unallocated) sum += extent.LengthBytes;
                at += extent.LengthBytes;
            }
        }
        catch (BlockIoException e)
        {
            Tool.WriteLine($"is_allocated failed: {ErrorText.Of(e)}");
            return false;
        }
        Tool.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sum}/{count} bytes allocated at offset {HumanSize.Exact(offset)}"));
        return true;
    }

    private bool Map(IReadOnlyList<string> words)
    {
        long length = Image.LengthBytes;
        (long Start, long Length, bool IsAllocated)? run = null;
        try
        {
            for (long at = 0; at < length;)
            {
                BlockExtent extent = Blocking.Wait(Image.GetExtentAsync(at, length - at, default));
                bool isAllocated = extent.Kind != BlockExtentKind.Unallocated;
                if (run is (long start, long before, bool was) && was == isAllocated) run = (start, before + extent.LengthBytes, was);
                else
                {
                    PrintRun(run);
                    run = (at, extent.LengthBytes, isAllocated);
                }
                at += extent.LengthBytes;
            }
            PrintRun(run);
            return true;
        }
        catch (BlockIoException)
        {
            Tool.Error("Failed to get allocation status");
            return false;
        }
    }

    private void PrintRun((long Start, long Length, bool IsAllocated)? run)
    {
        if (run is not (long start, long length, bool isAllocated)) return;
        string word = isAllocated ? "    allocated" : "not allocated";
        Tool.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{HumanSize.Exact(length)} (0x{length:x}) bytes {word} at offset {HumanSize.Exact(start)} (0x{start:x})"));
    }
}

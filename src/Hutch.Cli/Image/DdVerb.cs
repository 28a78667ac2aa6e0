using System;
using System.Collections.Generic;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Host.Files;

namespace Hutch.Cli.Image;

/// <summary>dd: copies blocks of an image into a new one.</summary>
internal static class DdVerb
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hf:O:U", "help:h", "object=", "image-opts", "force-share:U");
        string target = "raw";
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "O": target = options.Value; break;
                default: common.Take(option, options.Value); break;
            }
        }
        string? input = null, output = null;
        long block = 512, skip = 0;
        long? count = null;
        foreach (string operand in options.Operands)
        {
            int equals = operand.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? operand : operand[..equals], value = equals < 0 ? "" : operand[(equals + 1)..];
            switch (name)
            {
                case "if" when equals > 0: input = value; break;
                case "of" when equals > 0: output = value; break;
                case "bs" when equals > 0: block = common.Size("bs", value, 1, int.MaxValue); break;
                case "count" when equals > 0: count = common.Size("count", value); break;
                case "skip" when equals > 0: skip = common.Size("skip", value); break;
                default: throw new UsageException($"unrecognized operand '{operand}'");
            }
        }
        if (input is null || output is null) throw new UsageException("Must specify both input and output files");
        ImageNode? source = common.Open(input, readOnly: true);
        if (source is null) return 1;
        try
        {
            return Copy(tool, common, source, (input, output), target, new BlockRange(block, count, skip));
        }
        finally
        {
            Blocking.Wait(source.DisposeAsync());
        }
    }

    private static int Copy(Tool tool, ImageArguments common, ImageNode source, (string Input, string Output) names, string target, BlockRange range)
    {
        if (ImageFormats.Find(target) is not ImageFormat format)
        {
            tool.Error($"Unknown file format '{target}'");
            return 1;
        }
        if (!format.CanCreate)
        {
            tool.Error($"Format driver '{target}' does not support image creation");
            return 1;
        }
        long length = source.LengthBytes;
        if (range.Count is long count && count <= long.MaxValue / range.BlockBytes) length = Math.Min(length, count * range.BlockBytes);
        bool isBehind = range.Skip > long.MaxValue / range.BlockBytes || source.LengthBytes < range.Skip * range.BlockBytes;
        long start = isBehind ? 0 : range.Skip * range.BlockBytes;
        // The count is of blocks behind those that are skipped.
        long end = range.Count is null ? source.LengthBytes : Math.Min(source.LengthBytes, start + length);
        ImageNode? image = null;
        try
        {
            long bytes = isBehind ? 0 : end - start;
            Blocking.Wait(BlockGraph.CreateAsync(new BlockCreateRequest { Filename = names.Output, Format = format, LengthBytes = bytes, Options = new Dictionary<string, string>() }, default));
            image = common.Open(names.Output, new BlockOpenRequest { Filename = names.Output, Format = target });
            if (image is null) return 1;
            if (isBehind)
            {
                tool.Error($"{names.Input}: cannot skip to specified offset");
                return 1;
            }
            Transfer(source, image, start, end);
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e, $"{names.Output}: error while creating output image: ");
        }
        catch (BlockIoException e)
        {
            tool.Error($"error while copying: {ErrorText.Of(e)}");
        }
        finally
        {
            if (image is not null) Blocking.Wait(image.DisposeAsync());
        }
        return 1;
    }

    private static void Transfer(ImageNode source, ImageNode target, long start, long end)
    {
        using NativeBuffer buffer = new(ChunkBytes);
        for (long at = start; at < end;)
        {
            int part = (int)Math.Min(ChunkBytes, end - at);
            IoVector vector = new(new[] { buffer.Segment(0, part) });
            Blocking.Wait(source.ReadAsync(at, vector, default));
            Blocking.Wait(target.WriteAsync(at - start, vector, WriteFlags.None, default));
            at += part;
        }
        Blocking.Wait(target.FlushAsync(default));
    }

    private readonly record struct BlockRange(long BlockBytes, long? Count, long Skip);
}

using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;

namespace Hutch.Cli.Image;

/// <summary>convert: copies images into a new one.</summary>
internal static class ConvertVerb
{
    private const int MaxCoroutines = 16;

    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        ConvertRequest request = new();
        GetOpt options = new(tool, arguments, "hf:O:B:CcF:o:l:S:pt:T:qnm:WUr:", "help:h", "source-image-opts:image-opts", "object=", "image-opts", "force-share:U", "target-image-opts", "salvage",
            "target-is-zero", "bitmaps", "skip-broken-bitmaps", "untrusted", "no-sync");
        while (options.Next() is string option)
        {
            if (option == "h") return Help.Print(tool);
            if (!request.Take(tool, common, option, options.Value)) common.Take(option, options.Value);
        }
        if (request.List is not null && Hutch.Block.Options.OptionList.AsksForHelp(request.List))
            return CreateOptionHelp.Print(tool, request.TargetFormat ?? "raw", options.Operands.Count > 0);
        if (common.IsQuiet) request.ShowsProgress = false;
        request.Check(tool, options.Operands);
        using CancelSource cancel = new();
        List<ImageNode> sources = [];
        try
        {
            for (int i = 0; i < options.Operands.Count - 1; i++)
            {
                string name = options.Operands[i];
                ImageNode? source = common.Open(name, common.Request(name, readOnly: true) with { Cache = request.SourceCache });
                if (source is null) return 1;
                sources.Add(source);
                if (request.Snapshot is not null) SnapshotName.Load(source, request.Snapshot);
            }
            return Convert(tool, common, request, sources, options.Operands[^1], cancel.Token);
        }
        catch (Exception e) when (e is ImageException or BlockIoException or CopyException)
        {
            if (e is ImageException image) tool.Error(image);
            else tool.Error(e is BlockIoException io ? ErrorText.Of(io) : e.Message);
            return 1;
        }
        catch (OperationCanceledException)
        {
            return CancelSource.Status;
        }
        finally
        {
            foreach (ImageNode source in sources) Blocking.Wait(source.DisposeAsync());
        }
    }

    private static int Convert(Tool tool, ImageArguments common, ConvertRequest request, List<ImageNode> sources, string name, CancellationToken cancellation)
    {
        ConvertTarget target = new(tool, common, request, name);
        if (request.CopiesBitmaps) BitmapCopy.Check(sources[0], request.SkipsBrokenBitmaps);
        if (!target.TryPrepare(sources)) return 1;
        bool done = false;
        try
        {
            if (!target.TryOpen()) return 1;
            ImageNode image = target.Image!;
            long length = 0;
            foreach (ImageNode source in sources) length = checked(length + source.LengthBytes);
            if (request.SkipsCreation && image.LengthBytes < length)
            {
                tool.Error("output file is smaller than input file");
                return 1;
            }
            if (request.Compresses && !image.CanCompress)
            {
                tool.Error("Compression not supported for this file format");
                return 1;
            }
            IImageBitmaps? bitmaps = request.CopiesBitmaps ? BitmapCopy.Of(image) : null;
            Copy(tool, request, sources, target, length, cancellation);
            if (bitmaps is not null) BitmapCopy.Run(tool, (IImageBitmaps)sources[0], bitmaps);
            target.Finish();
            done = true;
            return 0;
        }
        finally
        {
            target.Close(done);
        }
    }

    private static void Copy(Tool tool, ConvertRequest request, List<ImageNode> sources, ConvertTarget target, long length, CancellationToken cancellation)
    {
        ImageNode image = target.Image!;
        using ProgressLine progress = new(tool, request.ShowsProgress) { TotalBytes = length };
        int workers = request.Salvages ? 1 : WorkersFor(request, sources, image);
        CopyOptions options = new()
        {
            SparseBytes = request.SparseBytes,
            Compress = request.Compresses,
            TargetIsZero = IsZero(request, target),
            TargetBackingBytes = target.BackingBytes,
            Workers = workers,
            // Encryption is done by whoever writes, so that it needs all of them at once.
            InOrder = !request.IsUnordered && image.Format.Name is not ("raw" or "luks") && !image.IsEncrypted,
            Salvage = request.Salvages,
            BytesPerSecond = request.BytesPerSecond,
            CountsData = request.ShowsProgress,
            Progress = progress.Listener,
            Warn = tool.Warn,
        };
        using CopyJob job = new(sources, image, options, cancellation);
        job.Run();
        progress.Finish();
    }

    // What was there before reads as zeros where it can be cleared at once.
    private static bool IsZero(ConvertRequest request, ConvertTarget target)
    {
        if (request.TargetIsZero) return true;
        if (!request.SkipsCreation) return target.Image!.IsZeroWhenNew;
        if (target.BackingBytes is not null || !target.Image!.Limits.HasFastZeroes) return false;
        try
        {
            Blocking.Wait(target.Image.WriteZeroesAsync(0, target.Image.LengthBytes, WriteFlags.MayUnmap | WriteFlags.NoFallback, default));
            return true;
        }
        catch (BlockIoException)
        {
            return false;
        }
    }

    // One thread reads and another writes; more only where there is something to compute.
    private static int WorkersFor(ConvertRequest request, List<ImageNode> sources, ImageNode image)
    {
        bool computes = request.Compresses || image.IsEncrypted;
        foreach (ImageNode source in sources) computes |= source.CanCompress || source.IsEncrypted;
        int cores = Environment.ProcessorCount;
        return Math.Min(request.Coroutines ?? int.MaxValue, computes ? cores : Math.Min(cores, 2));
    }

    /// <summary>How many requests may be in flight (-m).</summary>
    internal static int MostCoroutines => MaxCoroutines;
}

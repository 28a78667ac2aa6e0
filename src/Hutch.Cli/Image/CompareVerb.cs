using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;

namespace Hutch.Cli.Image;

/// <summary>compare: whether two images have the same content.</summary>
internal static class CompareVerb
{
    private const int Differ = 1, NotOpened = 2, NoStatus = 3, NotRead = 4;

    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hf:F:T:pqsU", "help:h", "object=", "image-opts", "force-share:U", "untrusted");
        string? second = null;
        CacheMode cache = CacheMode.Writeback;
        bool isStrict = false, shows = false;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "F": second = options.Value; break;
                case "T": cache = CacheOf(options.Value); break;
                case "p": shows = true; break;
                case "s": isStrict = true; break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (common.IsQuiet) shows = false;
        if (options.Operands.Count != 2) throw new UsageException(tool.Usage("Expecting two image file names").Message, NotOpened);
        (string first, string other) = (options.Operands[0], options.Operands[1]);
        ImageNode? one = common.Open(first, common.Request(first, readOnly: true) with { Cache = cache });
        if (one is null) return NotOpened;
        ImageNode? two = common.Open(other, common.Request(other, readOnly: true, second, common.ImageOptions) with { Cache = cache });
        try
        {
            return two is null ? NotOpened : Compare(tool, common, one, two, isStrict, shows);
        }
        finally
        {
            Blocking.Wait(one.DisposeAsync());
            if (two is not null) Blocking.Wait(two.DisposeAsync());
        }
    }

    private static CacheMode CacheOf(string name)
    {
        try
        {
            return ImageArguments.CacheOf(name, "source cache");
        }
        catch (UsageException e)
        {
            throw new UsageException(e.Message, NotOpened);
        }
    }

    private static int Compare(Tool tool, ImageArguments common, ImageNode one, ImageNode two, bool isStrict, bool shows)
    {
        using ProgressLine progress = new(tool, shows);
        using CompareJob job = new(one, two, isStrict, progress.Listener, default);
        CompareOutcome outcome;
        try
        {
            outcome = job.Run();
        }
        catch (CompareException e)
        {
            tool.Error(e.Message);
            return e.IsStatus ? NoStatus : NotRead;
        }
        progress.Finish();
        string text = outcome switch
        {
            CompareOutcome.LengthDiffers => "Strict mode: Image size mismatch!",
            CompareOutcome.AllocationDiffers => $"Strict mode: Offset {job.Offset} block status mismatch!",
            CompareOutcome.ContentDiffers => $"Content mismatch at offset {job.Offset}!",
            _ => "Images are identical.",
        };
        if (!common.IsQuiet)
        {
            if (one.LengthBytes != two.LengthBytes && !isStrict && (outcome == CompareOutcome.Same || job.IsInTail)) tool.WriteLine("Warning: Image size mismatch!");
            tool.WriteLine(text);
        }
        return outcome == CompareOutcome.Same ? 0 : Differ;
    }
}

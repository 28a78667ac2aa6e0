using System.Collections.Generic;
using System.Globalization;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;

namespace Hutch.Cli.Image;

/// <summary>check: examines an image's metadata, and mends it.</summary>
internal static class CheckVerb
{
    private const int Corrupt = 2, Leaky = 3, NoCheck = 63;

    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hf:r:T:qU", "help:h", "format=:f", "repair=:r", "output=", "json", "object=", "image-opts", "force-share:U", "untrusted", "undo=", "undo-apply=");
        bool isJson = false;
        ImageRepair repair = ImageRepair.None;
        CacheMode cache = CacheMode.Writeback;
        string? undo = null, undoApply = null;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "r": repair = RepairOf(tool, options.Value); break;
                case "output": isJson = ImageArguments.IsJson(options.Value); break;
                case "json": isJson = true; break;
                case "T": cache = ImageArguments.CacheOf(options.Value, "source cache"); break;
                case "undo": undo = options.Value; break;
                case "undo-apply": undoApply = options.Value; break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count != 1) throw tool.Usage("Expecting one image file name");
        string name = options.Operands[0];
        if (undoApply is not null) return UndoFile.Apply(tool, undoApply, name);
        BlockOpenRequest request = common.Request(name, readOnly: repair == ImageRepair.None) with { ForCheck = true, Cache = cache };
        if (undo is not null && repair != ImageRepair.None) request = request with { UndoFile = undo };
        ImageNode? image = common.Open(name, request);
        if (image is null) return 1;
        try
        {
            if (image is IImageCheck check) return Check(tool, common, name, image, check, repair, isJson);
            tool.Error("This image format does not support checks");
            return NoCheck;
        }
        catch (ImageException e)
        {
            if (e.Before is string before) tool.Error(new ImageException(before, e.Hint));
            tool.Error($"Check failed: {e.Message}");
            return 1;
        }
        catch (BlockIoException e)
        {
            tool.Error($"Check failed: {ErrorText.Of(e)}");
            return 1;
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
        }
    }

    private static ImageRepair RepairOf(Tool tool, string value) => value switch
    {
        "leaks" => ImageRepair.Leaks,
        "all" => ImageRepair.Leaks | ImageRepair.Errors,
        _ => throw tool.Usage("--repair (-r) expects 'leaks' or 'all'"),
    };

    private static int Check(Tool tool, ImageArguments common, string name, ImageNode image, IImageCheck check, ImageRepair repair, bool isJson)
    {
        void Report(string line) => tool.Say(line + "\n");
        ImageCheckResult result = Blocking.Wait(check.CheckAsync(repair, Report, default));
        if (result.CorruptionsFixed != 0 || result.LeaksFixed != 0)
        {
            if (!isJson && !common.IsQuiet)
            {
                tool.Write(string.Create(CultureInfo.InvariantCulture,
                    $"The following inconsistencies were found and repaired:\n\n    {result.LeaksFixed} leaked clusters\n    {result.CorruptionsFixed} corruptions\n\nDouble checking the fixed image now...\n"));
                tool.Flush();
            }
            (long leaks, long corruptions) = (result.LeaksFixed, result.CorruptionsFixed);
            result = Blocking.Wait(check.CheckAsync(ImageRepair.None, Report, default)) with { LeaksFixed = leaks, CorruptionsFixed = corruptions };
        }
        if (isJson) tool.WriteLine(JsonText.Of(MembersOf(name, image, result)));
        else if (!common.IsQuiet) Print(tool, result);
        return result.CheckErrors != 0 ? 1 : result.Corruptions != 0 ? Corrupt : result.Leaks != 0 ? Leaky : 0;
    }

    private static void Print(Tool tool, ImageCheckResult result)
    {
        if (result is { Corruptions: 0, Leaks: 0, CheckErrors: 0 }) tool.WriteLine("No errors were found on the image.");
        if (result.Corruptions != 0)
            tool.Write($"\n{result.Corruptions} errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n");
        if (result.Leaks != 0) tool.Write($"\n{result.Leaks} leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n");
        if (result.CheckErrors != 0) tool.Write($"\n{result.CheckErrors} internal errors have occurred during the check.\n");
        if (result is { TotalClusters: not 0, AllocatedClusters: not 0 })
        {
            double allocated = result.AllocatedClusters;
            tool.Write(string.Create(CultureInfo.InvariantCulture, $"{result.AllocatedClusters}/{result.TotalClusters} = {allocated * 100 / result.TotalClusters:F2}% allocated, "
                + $"{result.FragmentedClusters * 100 / allocated:F2}% fragmented, {result.CompressedClusters * 100 / allocated:F2}% compressed clusters\n"));
        }
        if (result.ImageEndOffset > 0) tool.WriteLine($"Image end offset: {result.ImageEndOffset}");
    }

    private static List<KeyValuePair<string, object>> MembersOf(string name, ImageNode image, ImageCheckResult result)
    {
        List<KeyValuePair<string, object>> members = [new("filename", name), new("format", image.Format.Name), new("check-errors", result.CheckErrors)];
        void Add(string key, long value)
        {
            if (value != 0) members.Add(new(key, value));
        }
        Add("image-end-offset", result.ImageEndOffset);
        Add("corruptions", result.Corruptions);
        Add("leaks", result.Leaks);
        Add("corruptions-fixed", result.CorruptionsFixed);
        Add("leaks-fixed", result.LeaksFixed);
        Add("total-clusters", result.TotalClusters);
        Add("allocated-clusters", result.AllocatedClusters);
        Add("fragmented-clusters", result.FragmentedClusters);
        Add("compressed-clusters", result.CompressedClusters);
        return members;
    }
}

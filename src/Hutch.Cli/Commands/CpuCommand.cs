using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Linq;
using System.Text.Json;
using Hutch.Cli.Options;
using Hutch.Cli.Processor;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Cli.Commands;

/// <summary>The verbs <c>hutch cpu list</c>, <c>describe</c> and <c>baseline</c>: which CPUs guests can have.</summary>
internal static class CpuCommand
{
    private static readonly Option<bool> Json = new("--json") { Description = "Write one JSON value on one line." };
    private static readonly Option<string?> Engine = new("--engine") { HelpName = "software|kvm", Description = "The engine that 'host' and 'max' are told of. [default: software]" };
    private static readonly Argument<string> Model = new("model") { HelpName = "MODEL|host", Description = "A model of 'hutch cpu list' with ,+flag and ,-flag; or host." };
    private static readonly Argument<string[]> Files = new("files")
    {
        HelpName = "FILE", Arity = ArgumentArity.OneOrMore, Description = "Descriptions of hosts: 'hutch cpu describe host' of each, or libvirt's XML; - is standard input.",
    };

    /// <summary>The command for the parser.</summary>
    internal static Command Create()
    {
        Command list = new("list", "Lists the CPU models and what keeps this host from giving one.") { Json };
        list.SetAction(result => List(EngineOffers.Ask(), result.GetValue(Json)));
        Command describe = new("describe", "Writes down a model or what this host can give, for 'hutch cpu baseline'.") { Model, Engine, Json };
        describe.SetAction(result => Describe(result.GetValue(Model)!, result.GetValue(Engine), result.GetValue(Json)));
        Command baseline = new("baseline", "Finds the CPU that every described host can give.") { Files, Json };
        baseline.SetAction(result => Baseline(result.GetValue(Files)!, result.GetValue(Json)));
        return new Command("cpu", "Shows which CPUs guests can have.") { list, describe, baseline };
    }

    private static int List(IReadOnlyList<CpuOffer> offers, bool json)
    {
        if (json) Write(indented: false, writer => WriteList(writer, offers));
        else WriteTable(Console.Out, offers);
        return 0;
    }

    /// <summary>Writes the list as text.</summary>
    internal static void WriteTable(TextWriter output, IReadOnlyList<CpuOffer> offers)
    {
        foreach (CpuOffer offer in offers)
        {
            output.WriteLine($"{"MODEL",-25} {"ALSO CALLED",-26} {"VENDOR",-7} ON THE {offer.Engine.ToUpperInvariant()} ENGINE");
            output.WriteLine($"{"max",-25} {"host",-26} {"host",-7} usable");
            foreach (CpuModelDefinition model in CpuModelCatalog.Models)
            {
                FeatureSet blockers = CpuResolver.Blockers(model, offer);
                output.WriteLine($"{model.Name,-25} {string.Join(' ', model.Aliases),-26} {Vendor(model),-7} {(blockers.IsEmpty ? "usable" : $"needs {blockers}")}");
            }
        }
    }

    private static string Vendor(CpuModelDefinition model) => model.IsLevel ? "host" : model.Identity.Vendor.ToString().ToLowerInvariant();

    private static void WriteList(Utf8JsonWriter json, IReadOnlyList<CpuOffer> offers)
    {
        json.WriteStartArray();
        foreach (CpuModelDefinition model in CpuModelCatalog.Models)
        {
            json.WriteStartObject();
            json.WriteString("name", model.Name);
            json.WriteStartArray("aliases");
            foreach (string alias in model.Aliases) json.WriteStringValue(alias);
            json.WriteEndArray();
            json.WriteString("vendor", Vendor(model));
            json.WriteString("modelId", model.Identity.ModelId);
            json.WriteStartObject("engines");
            foreach (CpuOffer offer in offers)
            {
                FeatureSet blockers = CpuResolver.Blockers(model, offer);
                json.WriteStartObject(offer.Engine);
                json.WriteBoolean("usable", blockers.IsEmpty);
                WriteFeatures(json, "needs", blockers);
                json.WriteEndObject();
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static int Describe(string text, string? engine, bool json)
    {
        CpuDescription description = Description(CpuOptions.ParseModel(text), engine);
        Write(indented: !json, writer =>
        {
            writer.WriteStartObject();
            description.WriteMembers(writer);
            writer.WriteEndObject();
        });
        return 0;
    }

    private static CpuDescription Description(CpuModel model, string? engine)
    {
        try
        {
            CpuModelDefinition? definition = CpuResolver.Find(model.Name);
            if (definition is { IsLevel: false } && engine is null)
            {
                // As an engine would give it that gives everything.
                FeatureSet everything = FeatureSet.FromWords(_ => uint.MaxValue);
                FeatureSet features = CpuResolver.Resolve(model, new CpuOffer("", definition.Identity, everything, everything)).Features;
                return CpuDescription.Of(definition) with { Features = features };
            }
            string wanted = engine ?? "software";
            IReadOnlyList<CpuOffer> offers = EngineOffers.Ask();
            CpuOffer offer = offers.FirstOrDefault(offer => offer.Engine == wanted)
                ?? throw new UserException($"--engine '{wanted}' does not work on this host; there is {string.Join(", ", offers.Select(offer => offer.Engine))}.", ExitStatus.Usage);
            ResolvedCpu cpu = CpuResolver.Resolve(model, offer);
            FeatureSet onRequest = definition is null ? CpuDescription.Of(offer).Possible.Except(cpu.Features) : FeatureSet.Empty;
            return new CpuDescription(cpu.Name, cpu.Identity, cpu.Features, onRequest);
        }
        catch (CpuModelException refused)
        {
            throw new UserException(refused.Message, ExitStatus.BadConfiguration);
        }
    }

    private static int Baseline(string[] files, bool json)
    {
        CpuBaseline baseline;
        try
        {
            baseline = CpuBaseline.Of([.. files.Select(DescriptionFile.Read)]);
        }
        catch (FormatException apart)
        {
            throw new UserException($"There is no baseline: {apart.Message}; describe hosts that are more alike.", ExitStatus.BadConfiguration);
        }
        if (!json)
        {
            Console.Out.WriteLine($"--cpu {baseline.Option}");
            return 0;
        }
        Write(indented: false, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("cpu", baseline.Option);
            writer.WriteString("model", baseline.Model.Name);
            WriteFeatures(writer, "added", baseline.Added);
            WriteFeatures(writer, "features", baseline.Features);
            writer.WriteEndObject();
        });
        return 0;
    }

    private static void WriteFeatures(Utf8JsonWriter json, string name, FeatureSet features)
    {
        json.WriteStartArray(name);
        foreach (CpuFeature feature in features.Features) json.WriteStringValue(FeatureNames.NameOf(feature));
        json.WriteEndArray();
    }

    private static void Write(bool indented, Action<Utf8JsonWriter> write)
    {
        using Stream output = Console.OpenStandardOutput();
        using (Utf8JsonWriter writer = new(output, new JsonWriterOptions { Indented = indented })) write(writer);
        output.WriteByte((byte)'\n');
    }
}

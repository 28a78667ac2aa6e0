using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using Hutch.Daemon.Libvirt.Xml;
using Hutch.Management;
using Hutch.Management.Domains.Defaults;
using Hutch.Model.Domains;

namespace Hutch.Dev.DomainXmlFuzz;

/// <summary>
/// The verb <c>./dev fuzz domain-xml</c>: so many damaged domain documents. A defect is an exception that is no refusal, or a document that is read and is not the same when it was printed and read again, kept as JSON, or
/// filled in twice.
/// </summary>
internal sealed class DomainXmlFuzzCommand
{
    private const int ProgressDocuments = 20_000;

    private readonly string[] _documents;

    internal DomainXmlFuzzCommand(string root)
    {
        string folder = Path.Combine(root, "tests/Hutch.Tests/Daemon/Libvirt/Xml/Fixtures");
        string[] paths = Directory.GetFiles(folder, "*.xml", SearchOption.AllDirectories);
        Array.Sort(paths, StringComparer.Ordinal);
        _documents = [.. paths.Select(File.ReadAllText)];
    }

    /// <summary>Returns the exit status.</summary>
    internal int Run(int documents, int seed, TextWriter output)
    {
        output.WriteLine($"{documents} documents, seed {seed}; './dev fuzz domain-xml {documents} {seed}' does the same again");
        int refused = 0, complete = 0, defects = 0;
        for (int i = 0; i < documents; i++)
        {
            string text = new DamagedDocument(seed + i, _documents).Text;
            (bool isRefused, string? defect) = Try(text);
            if (isRefused) refused++;
            else if (defect is null) complete++;
            else
            {
                defects++;
                output.WriteLine($"DEFECT of seed {seed + i}; './dev fuzz domain-xml 1 {seed + i}' does it again: {defect}");
                if (documents == 1) output.WriteLine(text);
            }
            if ((i + 1) % ProgressDocuments == 0) output.WriteLine($"{i + 1} documents, {refused} refused, {complete} complete, {defects} defects");
        }
        output.WriteLine($"{documents} documents, {refused} refused, {complete} complete, {defects} defects");
        return defects == 0 ? 0 : 1;
    }

    private static (bool IsRefused, string? Defect) Try(string text)
    {
        try
        {
            return (false, text.AsSpan().TrimStart().StartsWith("<domain") ? TryDomain(text) : TryDevice(text));
        }
        catch (ManagementException)
        {
            return (true, null);
        }
#pragma warning disable CA1031 // Any other exception is what is looked for.
        catch (Exception defect)
#pragma warning restore CA1031
        {
            return (false, defect.ToString());
        }
    }

    private static string? TryDomain(string text)
    {
        DomainDefinition domain = DomainXml.Read(text);
        if (Check(domain) is { } lost) return lost;
        int cards = 0;
        DefaultsSource source = new() { NewUuid = static () => new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), NewMac = () => $"52:54:00:00:00:{cards++ & 255:x2}" };
        DomainDefinition complete = DomainDefaults.Fill(domain, source);
        if (Check(complete) is { } alsoLost) return $"filled in: {alsoLost}";
        try
        {
            if (!DomainJson.AreSame(complete, DomainDefaults.Fill(complete, source))) return "filling in again changes it";
            _ = DomainXml.Write(LiveAliases.Assign(complete), new DomainXmlOptions { Id = 1 });
            return null;
        }
        catch (ManagementException refused)
        {
            return $"what was filled in is refused: {refused.Message}";
        }
    }

    private static string? TryDevice(string text)
    {
        DomainDevice device = DomainXml.ReadDevice(text);
        string printed = DomainXml.WriteDevice(device, new DomainXmlOptions { IsSecure = true });
        try
        {
            return DomainJson.AreSame(device, DomainXml.ReadDevice(printed)) ? null : "the device reads differently when it was printed";
        }
        catch (ManagementException refused)
        {
            return $"what was printed is refused: {refused.Message}";
        }
    }

    /// <summary>The first lines of their JSON that differ.</summary>
    private static string Difference(DomainDefinition a, DomainDefinition b)
    {
        string[] before = JsonSerializer.Serialize(a, DomainJson.Default.DomainDefinition).Split('\n'), after = JsonSerializer.Serialize(b, DomainJson.Default.DomainDefinition).Split('\n');
        int line = 0;
        while (line < Math.Min(before.Length, after.Length) - 1 && before[line] == after[line]) line++;
        return $"{before[line].Trim()} becomes {after[line].Trim()}";
    }

    private static string? Check(DomainDefinition domain)
    {
        try
        {
            DomainDefinition again = DomainXml.Read(DomainXml.Write(domain, new DomainXmlOptions { Id = 1, IsSecure = true }));
            if (!DomainJson.AreSame(domain, again)) return $"it reads differently when it was printed: {Difference(domain, again)}";
            string inactive = DomainXml.Write(domain, new DomainXmlOptions { IsInactive = true });
            if (inactive != DomainXml.Write(DomainXml.Read(inactive), new DomainXmlOptions { IsInactive = true })) return "it is printed differently when it was printed";
        }
        catch (ManagementException refused)
        {
            return $"what was printed is refused: {refused.Message}";
        }
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(domain, DomainJson.Default.DomainDefinition);
        return DomainJson.AreSame(domain, JsonSerializer.Deserialize(json, DomainJson.Default.DomainDefinition)!) ? null : "its JSON is another domain";
    }
}

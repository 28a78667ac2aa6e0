using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Hutch.Tests.Tidy;

/// <summary>The working tree that the tests were built from.</summary>
internal static class Repository
{
    private static readonly ConcurrentDictionary<string, SyntaxNode> Trees = [];

    /// <summary>The folder with Hutch.slnx.</summary>
    internal static string Root { get; } = FindRoot();

    /// <summary>Hand-written C# files below these folders, as paths from the root with forward slashes.</summary>
    internal static IEnumerable<string> Sources(params IEnumerable<string> folders) =>
        (folders.Any() ? folders : ["src", "tests", "tools", "bench"]).SelectMany(folder => Files(folder, "*.cs"));

    /// <summary>Files below a folder, without what builds leave there.</summary>
    internal static IEnumerable<string> Files(string folder, string pattern)
    {
        string path = Path.Combine(Root, folder);
        if (!Directory.Exists(path)) return [];
        return Directory.EnumerateFiles(path, pattern, SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Any(part => part is "bin" or "obj" or "build" or ".git" or "TestResults"))
            .Order(StringComparer.Ordinal);
    }

    /// <summary>The text of a file.</summary>
    internal static string Text(string file) => File.ReadAllText(Path.Combine(Root, file));

    /// <summary>The syntax tree of a source file.</summary>
    internal static SyntaxNode Tree(string file) => Trees.GetOrAdd(file, name => CSharpSyntaxTree.ParseText(Text(name), new CSharpParseOptions(LanguageVersion.Preview)).GetRoot());

    /// <summary>Where a node begins, in the form that editors understand.</summary>
    internal static string Place(string file, SyntaxNode node) => $"{file}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Hutch.slnx"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("These tests run inside a clone of the repository.");
    }
}
